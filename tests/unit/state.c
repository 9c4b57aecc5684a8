// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "core/state.h"
#include "rcxlb/abi.h"

#define HERE	  .listens = true
#define ELSEWHERE .elsewhere = true, .workers = true
#define MPTCP	  .unassignable = true, .workers = true

static const struct {
	const char *sentence;
	struct state_input input;
	const char *name, *path, *loop, *reason;
} rows[] = {
	{ "nobody listens", { .workers = true }, "absent", "none", "", "nobody listens there" },
	{ "somebody does", { HERE }, "up", "direct", "asleep", "" },
	{ "it is blocked", { HERE, .loop = RCXLB_LOOP_STILL }, "up", "direct", "blocked", "" },
	{ "its check fails", { HERE, .down = true, .down_reason = "503" }, "down", "direct", "asleep", "503" },
	{ "it is drained", { HERE, .draining = true }, "draining", "direct", "asleep", "" },
	{ "HTTP is parsed, which is said before TLS",
	  { HERE, .tls = true, .http = true },
	  "up",
	  "proxied",
	  "asleep",
	  "its service parses HTTP" },
	{ "TLS is ended", { HERE, .tls = true }, "up", "proxied", "asleep", "a worker ends TLS and relays" },
	{ "the PROXY protocol",
	  { HERE, .proxy = true },
	  "up",
	  "proxied",
	  "asleep",
	  "a worker speaks the PROXY protocol" },
	{ "elsewhere", { ELSEWHERE }, "up", "proxied", "unknown", "its address is none of this host's" },
	{ "elsewhere, and TLS",
	  { ELSEWHERE, .tls = true },
	  "up",
	  "proxied",
	  "unknown",
	  "a worker ends TLS and relays" },
	{ "elsewhere, and down",
	  { ELSEWHERE, .down = true, .down_reason = "no answer" },
	  "down",
	  "proxied",
	  "unknown",
	  "no answer" },
	{ "elsewhere, and no worker",
	  { .elsewhere = true },
	  "absent",
	  "none",
	  "",
	  "its address is none of this host's, and no worker is there to connect to it" },
	{ "MPTCP", { MPTCP }, "up", "proxied", "unknown", "the kernel assigns no connection to an MPTCP listener" },
	{ "MPTCP, and no worker",
	  { .unassignable = true },
	  "absent",
	  "none",
	  "",
	  "an MPTCP listener, and no worker is there to connect to it" },
	{ "no room for its socket", { .refused = 17 }, "absent", "none", "", "its listening socket found no room" },
	{ "a former refusal of one that listens", { HERE, .refused = 17 }, "up", "direct", "asleep", "" },
};

static void what_is_said_of_a_backend(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		const struct state_input *input = &rows[r].input;

		check(!strcmp(state_name(input), rows[r].name), rows[r].sentence);
		check(!strcmp(state_path(input), rows[r].path), rows[r].sentence);
		check(!strcmp(state_loop(input), rows[r].loop), rows[r].sentence);
		check(!strcmp(state_reason(input), rows[r].reason), rows[r].sentence);
	}
}

static void a_path_that_is_not_direct_has_its_reason(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++)
		check(!strcmp(state_path(&rows[r].input), "direct") || *state_reason(&rows[r].input), rows[r].sentence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_of_a_backend),
		cmocka_unit_test(a_path_that_is_not_direct_has_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
