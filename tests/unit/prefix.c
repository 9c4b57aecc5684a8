// SPDX-License-Identifier: BSD-2-Clause
/* CIDR blocks: how they are written, and who is in them. */
#include "test.h"

#include <errno.h>

#include "core/endpoint.h"
#include "core/prefix.h"

static const struct {
	const char *text;
	const char *printed; /* NULL: refused, with `says` in the sentence */
	const char *says;
} texts[] = {
	{ "192.0.2.0/24", "192.0.2.0/24", NULL },
	{ "192.0.2.128/25", "192.0.2.128/25", NULL },
	{ "192.0.2.7", "192.0.2.7/32", NULL },
	{ "0.0.0.0/0", "0.0.0.0/0", NULL },
	{ "2001:db8::/32", "2001:db8::/32", NULL },
	{ "2001:DB8:0::8000:0:0:0/49", NULL, "'2001:DB8:0::8000:0:0:0/49'" },
	{ "2001:db8::1", "2001:db8::1/128", NULL },
	{ "::/0", "::/0", NULL },
	{ "::ffff:192.0.2.0/120", "192.0.2.0/24", NULL },
	{ "::ffff:0:0/96", "0.0.0.0/0", NULL },
	{ "192.0.2.1/24", NULL, "did you mean 192.0.2.0/24?" },
	{ "192.0.2.129/25", NULL, "did you mean 192.0.2.128/25?" },
	{ "2001:db8::1/64", NULL, "did you mean 2001:db8::/64?" },
	{ "192.0.2.0/33", NULL, "a number from 0 to 32" },
	{ "2001:db8::/129", NULL, "a number from 0 to 128" },
	{ "192.0.2.0/", NULL, "a number from 0 to 32" },
	{ "192.0.2.0/+8", NULL, "a number from 0 to 32" },
	{ "192.0.2.0/8/8", NULL, "a number from 0 to 32" },
	{ "192.0.2.0 /8", NULL, "is no address" },
	{ "192.0.2", NULL, "is no address" },
	{ "10/8", NULL, "is no address" },
	{ "", NULL, "is no address" },
	{ "/8", NULL, "is no address" },
	{ "proxy.example.org", NULL, "is no address" },
	{ "[2001:db8::]/32", NULL, "is no address" },
	{ "fe80::1%eth0", NULL, "is no address" },
	{ "1234:1234:1234:1234:1234:1234:1234:1234:1234:1234/8", NULL, "is no address" },
};

static void texts_are_read_and_printed(void **state)
{
	char text[PREFIX_LEN];
	struct rcxlb_prefix prefix, again;
	struct error error;

	(void)state;
	for (size_t i = 0; i < LENGTH(texts); i++) {
		int err = prefix_parse(texts[i].text, &prefix, &error);

		check(err == (texts[i].printed ? 0 : -EINVAL), texts[i].text);
		check(err || !strcmp(prefix_format(&prefix, text), texts[i].printed), texts[i].text);
		check(err || !prefix_parse(text, &again, &error), texts[i].text);
		check(err || prefix_equal(&prefix, &again), texts[i].text);
		check(!err || strstr(error.text, texts[i].says), texts[i].text);
	}
}

static const struct {
	const char *block;
	const char *address;
	bool in;
} members[] = {
	{ "192.0.2.0/24", "192.0.2.0", true },
	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.128/25", "192.0.2.200", true },
	{ "192.0.2.7", "192.0.2.7", true },
	{ "192.0.2.7", "192.0.2.6", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "192.0.2.1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "2001:db8::1", "2001:db8::1", true },
	{ "2001:db8::1", "2001:db8::", false },
};

static void who_is_in_a_block(void **state)
{
	struct rcxlb_prefix prefix;
	uint8_t address[16];
	struct error error;

	(void)state;
	for (size_t i = 0; i < LENGTH(members); i++) {
		check(!prefix_parse(members[i].block, &prefix, &error), members[i].block);
		check(!endpoint_address_parse(members[i].address, address), members[i].address);
		check(prefix_contains(&prefix, address) == members[i].in, members[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read_and_printed),
		cmocka_unit_test(who_is_in_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
