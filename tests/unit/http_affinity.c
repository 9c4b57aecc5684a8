// SPDX-License-Identifier: BSD-2-Clause
/* The cookie of affinity: read out of whatever clients send, and given. */
#include "test.h"

#include "proxy/http1_message.h"
#include "proxy/http_affinity.h"

#define GOOD "rcxlb=00c0ffee00c0ffee"

static const struct {
	const char *sentence;
	const char *fields;
	uint64_t number;
} rows[] = {
	{ "no cookie", "", 0 },
	{ "it alone", "Cookie: " GOOD "\r\n", 0x00c0ffee00c0ffee },
	{ "behind others", "Cookie: a=b; c=d; " GOOD "\r\n", 0x00c0ffee00c0ffee },
	{ "before others", "cookie: " GOOD "; a=b\r\n", 0x00c0ffee00c0ffee },
	{ "without the blank", "Cookie: a=b;" GOOD ";c=d\r\n", 0x00c0ffee00c0ffee },
	{ "in a second field", "Cookie: a=b\r\nCookie: " GOOD "\r\n", 0x00c0ffee00c0ffee },
	{ "the first valid one of several", "Cookie: rcxlb=x; " GOOD "; rcxlb=1111111111111111\r\n",
	  0x00c0ffee00c0ffee },
	{ "of another name", "Cookie: xrcxlb=00c0ffee00c0ffee\r\n", 0 },
	{ "in another case", "Cookie: RCXLB=00c0ffee00c0ffee\r\n", 0 },
	{ "in another field", "X-Cookie: " GOOD "\r\n", 0 },
	{ "a digit too few", "Cookie: rcxlb=0c0ffee00c0ffee\r\n", 0 },
	{ "a digit too many", "Cookie: rcxlb=000c0ffee00c0ffee\r\n", 0 },
	{ "a digit in capitals", "Cookie: rcxlb=00C0ffee00c0ffee\r\n", 0 },
	{ "a digit that is none", "Cookie: rcxlb=00c0ffee00c0ffeg\r\n", 0 },
	{ "in quotes", "Cookie: rcxlb=\"0c0ffee00c0ffe\"\r\n", 0 },
	{ "zero", "Cookie: rcxlb=0000000000000000\r\n", 0 },
	{ "semicolons alone", "Cookie: ;;; ;\r\n", 0 },
	{ "an empty field", "Cookie:\r\n", 0 },
};

static void what_clients_send(void **state)
{
	static char text[HTTP1_MAX_HEAD];
	char bytes[512];
	size_t used;

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct http1_head head = { .text = text };
		int size = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[r].fields);

		http1_head_reset(&head);
		check(!http1_head_take(&head, &http1_default_limits, bytes, (size_t)size, &used), rows[r].sentence);
		check(head.complete, rows[r].sentence);
		check(http_affinity_read(&head) == rows[r].number, rows[r].sentence);
	}
}

static void what_they_are_given(void **state)
{
	char to[HTTP_AFFINITY_ROOM];
	size_t size = http_affinity_write(0xc0ffee, false, to);

	(void)state;
	assert_int_equal(size, strlen(to));
	assert_string_equal(to, "Set-Cookie: rcxlb=0000000000c0ffee; Path=/; HttpOnly\r\n");
	assert_in_range(http_affinity_write(UINT64_MAX, true, to), 1, HTTP_AFFINITY_ROOM - 1);
	assert_string_equal(to, "Set-Cookie: rcxlb=ffffffffffffffff; Path=/; HttpOnly; Secure; SameSite=None\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_clients_send),
		cmocka_unit_test(what_they_are_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
