// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "proxy/tls_names.h"

static const struct {
	const char *name;
	bool wildcard;
	const char *normal; /* NULL: no DNS name */
} names[] = {
	{ "example.com", false, "example.com" },
	{ "EXAMPLE.Com", false, "example.com" },
	{ "example.com.", false, "example.com" },
	{ "localhost", false, "localhost" },
	{ "a_b.example.com", false, "a_b.example.com" },
	{ "xn--bcher-kva.example", false, "xn--bcher-kva.example" },
	{ "1and1.com", false, "1and1.com" },
	{ "*.example.com", true, "*.example.com" },
	{ "*.example.com", false, NULL },
	{ "*", true, NULL },
	{ "*.", true, NULL },
	{ "**.example.com", true, NULL },
	{ "a*.example.com", true, NULL },
	{ "a.*.example.com", true, NULL },
	{ "", false, NULL },
	{ ".", false, NULL },
	{ "..", false, NULL },
	{ ".example.com", false, NULL },
	{ "example..com", false, NULL },
	{ "example.com..", false, NULL },
	{ "exa mple.com", false, NULL },
	{ "ex\303\244mple.com", false, NULL },
	{ "192.0.2.1", false, NULL },
	{ "2001:db8::1", false, NULL },
	{ "a/b", false, NULL },
};

static void names_are_compared_in_one_form(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(names); r++) {
		char normal[TLS_NAME_MAX];
		bool is = tls_name_normalize(names[r].name, strlen(names[r].name), names[r].wildcard, normal);

		check(is == !!names[r].normal, names[r].name);
		if (is)
			assert_string_equal(normal, names[r].normal);
	}
}

static void a_name_with_a_zero_byte_is_none(void **state)
{
	char normal[TLS_NAME_MAX];

	(void)state;
	assert_false(tls_name_normalize("example.com\0.evil.org", 21, false, normal));
}

static void lengths(void **state)
{
	char name[400], normal[TLS_NAME_MAX];

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_true(tls_name_normalize(name, 63, false, normal));
	assert_false(tls_name_normalize(name, 64, false, normal));
	for (size_t i = 50; i < sizeof(name); i += 50)
		name[i] = '.';
	assert_true(tls_name_normalize(name, 253, false, normal));
	assert_int_equal(strlen(normal), 253);
	assert_false(tls_name_normalize(name, 254, false, normal));
}

static const struct {
	const char *sentence, *pattern, *host;
	bool covers;
} covers[] = {
	{ "the same name", "example.com", "example.com", true },
	{ "another name", "example.com", "example.org", false },
	{ "a name below it", "example.com", "www.example.com", false },
	{ "a wildcard covers one label", "*.example.com", "www.example.com", true },
	{ "a wildcard covers no two labels", "*.example.com", "a.b.example.com", false },
	{ "a wildcard does not cover the name itself", "*.example.com", "example.com", false },
	{ "a wildcard of another domain", "*.example.com", "www.example.org", false },
	{ "a name that ends alike", "*.example.com", "www.badexample.com", false },
	{ "a wildcard of a single label covers no name without dot", "*.com", "com", false },
};

static void what_a_certificate_covers(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(covers); r++)
		check(tls_name_covers(covers[r].pattern, covers[r].host) == covers[r].covers, covers[r].sentence);
}

static void the_wildcard_of_a_host_covers_it(void **state)
{
	char wildcard[TLS_NAME_MAX];

	(void)state;
	assert_true(tls_name_wildcard("www.example.com", wildcard));
	assert_string_equal(wildcard, "*.example.com");
	assert_true(tls_name_covers(wildcard, "www.example.com"));
	assert_false(tls_name_wildcard("localhost", wildcard));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_compared_in_one_form),
		cmocka_unit_test(a_name_with_a_zero_byte_is_none),
		cmocka_unit_test(lengths),
		cmocka_unit_test(what_a_certificate_covers),
		cmocka_unit_test(the_wildcard_of_a_host_covers_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
