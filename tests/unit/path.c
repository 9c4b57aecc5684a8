// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "proxy/path.h"

/* What can be handed; each row takes something away. */
#define ALL .handoff = true, .tls = true, .ktls = KTLS_COMPLETE, .same_host = true, .instance_takes = true

static const struct {
	const char *sentence;
	struct path_facts facts;
	enum path path;
	enum path_reason reason;
} rows[] = {
	{ "all is there", { ALL }, PATH_HANDED, PATH_REASON_NONE },
	{ "plain TCP needs no kernel TLS",
	  { .handoff = true, .ktls = KTLS_NO_KERNEL, .same_host = true, .instance_takes = true },
	  PATH_HANDED,
	  PATH_REASON_NONE },
	{ "HTTP headers are wanted", { ALL, .http = true }, PATH_PROXIED, PATH_REASON_HTTP },
	{ "switched off", { .tls = true, .same_host = true, .instance_takes = true }, PATH_PROXIED, PATH_REASON_OFF },
	{ "the kernel lacks the cipher",
	  { .handoff = true, .tls = true, .ktls = KTLS_NO_CIPHER, .same_host = true, .instance_takes = true },
	  PATH_PROXIED,
	  PATH_REASON_KTLS },
	{ "the instance is elsewhere",
	  { .handoff = true, .tls = true, .instance_takes = true },
	  PATH_PROXIED,
	  PATH_REASON_ELSEWHERE },
	{ "the instance takes no sockets",
	  { .handoff = true, .tls = true, .same_host = true },
	  PATH_PROXIED,
	  PATH_REASON_INSTANCE },
	{ "several: what the user decided comes first",
	  { .http = true, .tls = true, .ktls = KTLS_NO_KERNEL },
	  PATH_PROXIED,
	  PATH_REASON_HTTP },
};

static void each_precondition_has_its_reason(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct path_choice choice = path_choose(&rows[r].facts);
		const char *text = path_reason_text(&choice, &rows[r].facts);

		check(choice.path == rows[r].path, rows[r].sentence);
		check(choice.reason == rows[r].reason, rows[r].sentence);
		check((choice.path == PATH_HANDED) == !*text, rows[r].sentence);
	}
}

static void kernel_tls_says_what_is_missing(void **state)
{
	struct path_facts facts = { ALL };

	(void)state;
	for (int reason = KTLS_COMPLETE + 1; reason < KTLS_REASONS; reason++) {
		facts.ktls = reason;
		struct path_choice choice = path_choose(&facts);

		assert_int_equal(choice.reason, PATH_REASON_KTLS);
		assert_string_equal(path_reason_text(&choice, &facts), ktls_reason_text(reason));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_precondition_has_its_reason),
		cmocka_unit_test(kernel_tls_says_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
