// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "core/endpoint.h"

static const struct {
	const char *text;
	const char *printed; /* NULL: refused */
} rows[] = {
	{ "127.0.0.1:3001", "127.0.0.1:3001" },
	{ "255.255.255.255:65535", "255.255.255.255:65535" },
	{ "[::1]:1", "[::1]:1" },
	{ "[2001:DB8:0:0::1]:80", "[2001:db8::1]:80" },
	{ "[::ffff:10.0.0.1]:80", "10.0.0.1:80" },
	{ "127.0.0.1:0080", "127.0.0.1:80" },
	{ "", NULL },
	{ ":", NULL },
	{ "127.0.0.1", NULL },
	{ "127.0.0.1:", NULL },
	{ ":3001", NULL },
	{ "127.0.0.1:0", NULL },
	{ "127.0.0.1:65536", NULL },
	{ "127.0.0.1:99999999999999999999999", NULL },
	{ "127.0.0.1:-1", NULL },
	{ "127.0.0.1:+1", NULL },
	{ "127.0.0.1: 1", NULL },
	{ "127.0.0.1:0x50", NULL },
	{ "127.0.0.1:3001 ", NULL },
	{ "127.1:80", NULL },
	{ "127.0.0.256:80", NULL },
	{ "127.0.0.01:80", NULL },
	{ "localhost:80", NULL },
	{ "::1:80", NULL },
	{ "[::1]", NULL },
	{ "[::1]80", NULL },
	{ "[]:80", NULL },
	{ "[127.0.0.1]:80", NULL },
	{ "[::1:80", NULL },
	{ "[fe80::1%eth0]:80", NULL },
	{ "0.0.0.0:80", NULL },
	{ "[::]:80", NULL },
	{ "*:80", NULL },
	{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:80", NULL },
};

static void parsing_and_printing(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct rcxlb_endpoint endpoint;
		char text[RCXLB_TEXT_LEN];
		struct error error = { "" };
		int err = endpoint_parse(rows[r].text, false, &endpoint, &error);

		check(!err == !!rows[r].printed, rows[r].text);
		if (err)
			check(strstr(error.text, rows[r].text), rows[r].text);
		else
			assert_string_equal(endpoint_format(&endpoint, text), rows[r].printed);
	}
}

static const struct {
	const char *text;
	int first, last; /* 0: refused */
} ranges[] = {
	{ "127.0.0.1:3001", 3001, 3001 },     { "127.0.0.1:3001-3016", 3001, 3016 }, { "[::1]:3001-3001", 3001, 3001 },
	{ "127.0.0.1:1-65535", 1, 65535 },    { "127.0.0.1:3002-3001", 0, 0 },	     { "127.0.0.1:3001-", 0, 0 },
	{ "127.0.0.1:-3001", 0, 0 },	      { "127.0.0.1:3001-3002-3003", 0, 0 },  { "127.0.0.1:3001-65536", 0, 0 },
	{ "127.0.0.1-127.0.0.3:3001", 0, 0 },
};

static void ranges_of_ports(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(ranges); r++) {
		struct rcxlb_endpoint endpoint;
		struct error error;
		uint16_t last;
		int err = endpoint_parse_range(ranges[r].text, &endpoint, &last, &error);

		check(!err == !!ranges[r].first, ranges[r].text);
		if (!err)
			check(endpoint.port == ranges[r].first && last == ranges[r].last, ranges[r].text);
	}
}

static void a_star_is_the_any_address_of_both_families(void **state)
{
	struct rcxlb_endpoint found[2];
	unsigned int count;
	struct error error;

	(void)state;
	assert_int_equal(endpoint_parse_listen("*:80", found, &count, &error), 0);
	assert_int_equal(count, 2);
	assert_true(endpoint_is_any(&found[0]) && endpoint_is_ipv4(&found[0]));
	assert_true(endpoint_is_any(&found[1]) && !endpoint_is_ipv4(&found[1]));
	assert_int_equal(endpoint_parse_listen("[::]:80", found, &count, &error), 0);
	assert_int_equal(count, 1);
	assert_true(endpoint_parse_listen("*", found, &count, &error) < 0);
	assert_true(endpoint_parse_listen("*:0", found, &count, &error) < 0);
}

static void order(void **state)
{
	struct rcxlb_endpoint a, b, c;
	struct error error;

	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:9", false, &a, &error), 0);
	assert_int_equal(endpoint_parse("127.0.0.1:10", false, &b, &error), 0);
	assert_int_equal(endpoint_parse("[::1]:1", false, &c, &error), 0);
	assert_true(endpoint_compare(&a, &b) < 0 && endpoint_compare(&b, &c) < 0 && endpoint_compare(&a, &a) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing_and_printing),
		cmocka_unit_test(ranges_of_ports),
		cmocka_unit_test(a_star_is_the_any_address_of_both_families),
		cmocka_unit_test(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
