// SPDX-License-Identifier: BSD-2-Clause
/* rcxlb.yaml(5) describes every key that the reader takes, with its limits, and no other. tests/e2e/test_man.py:
 * rcxlb(8). */
#include "test.h"

#include <errno.h>
#include <stdbool.h>

#include "config/schema.h"

#define PAGE "scripts/man/rcxlb.yaml.5"

static char page[65536];

static int read_page(void **state)
{
	FILE *file = fopen(PAGE, "r");

	(void)state;
	if (!file) {
		fprintf(stderr, "cannot open %s: %s; run this in the project's folder\n", PAGE, strerror(errno));
		return -1;
	}
	page[fread(page, 1, sizeof(page) - 1, file)] = 0;
	fclose(file);
	return 0;
}

/* The section as its headline has it: without the brackets of lists. */
static void headline_of(const char *section, char *to)
{
	if (!*section)
		section = "the file";
	for (; *section; section++)
		if (!strchr("[]", *section))
			*to++ = *section;
	*to = 0;
}

/* What is said of a key, on one line; false when it is not described. */
static bool find_item(const char *section, const char *name, char *to, size_t size)
{
	char headline[128] = "\n.Ss Keys of ", item[128], *begin, *end, *next;

	headline_of(section, headline + strlen(headline));
	strcat(headline, "\n");
	begin = strstr(page, headline);
	if (!begin)
		return false;
	end = strstr(begin, "\n.El");
	snprintf(item, sizeof(item), "\n.It Ic %s\n", name);
	begin = strstr(begin, item);
	if (!begin || !end || begin > end)
		return false;
	next = strstr(begin + 1, "\n.It ");
	if (next && next < end)
		end = next;
	snprintf(to, size, "%.*s", (int)(end - begin), begin);
	for (; *to; to++)
		if (*to == '\n')
			*to = ' ';
	return true;
}

static void every_key_is_described(void **state)
{
	char text[4096];
	uint32_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		bool found = find_item(keys[i].section, keys[i].name, text, sizeof(text));

		if (found != (keys[i].kind != CONFIG_LATER))
			fail_msg("'%s' of '%s' %s", keys[i].name, keys[i].section,
				 found ? "is described, and this version does not have it" : "is not described");
	}
}

static void no_key_is_described_that_is_not_there(void **state)
{
	uint32_t count, known = 0, items = 0;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (uint32_t i = 0; i < count; i++)
		known += keys[i].kind != CONFIG_LATER;
	for (const char *at = page; (at = strstr(at, "\n.It Ic ")); at++)
		items++;
	assert_int_equal(items, known); /* every known one is described: a surplus is one that is not there */
}

/* "1 to 256", of factors "1.01 to 100". */
static void every_limit_is_described(void **state)
{
	char text[4096], limit[64];
	uint32_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		if (keys[i].kind == CONFIG_NUMBER)
			snprintf(limit, sizeof(limit), " %lu to %lu", keys[i].least, keys[i].most);
		else if (keys[i].kind == CONFIG_FACTOR)
			snprintf(limit, sizeof(limit), " %g to %g", keys[i].least / 100.0, keys[i].most / 100.0);
		else
			continue;
		assert_true(find_item(keys[i].section, keys[i].name, text, sizeof(text)));
		if (!strstr(text, limit))
			fail_msg("'%s' of '%s' is not said to be%s: %s", keys[i].name, keys[i].section, limit, text);
	}
}

/* What holds when it is not there, where that is one word: "Without it 2000." */
static void every_default_is_described(void **state)
{
	char text[4096], plain[64], macro[64];
	uint32_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		const char *usual = keys[i].usual;

		if (keys[i].kind == CONFIG_LATER || !usual || strchr(usual, ' '))
			continue;
		snprintf(plain, sizeof(plain), "Without it %s", usual);
		snprintf(macro, sizeof(macro), "Without it .%s %s", *usual == '/' ? "Pa" : "Cm", usual);
		assert_true(find_item(keys[i].section, keys[i].name, text, sizeof(text)));
		if (!strstr(text, plain) && !strstr(text, macro))
			fail_msg("of '%s' of '%s' it is not said '%s': %s", keys[i].name, keys[i].section, plain, text);
	}
}

static void what_must_be_there_is_said(void **state)
{
	char text[4096];
	uint32_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		if (keys[i].kind == CONFIG_LATER)
			continue;
		assert_true(find_item(keys[i].section, keys[i].name, text, sizeof(text)));
		if (keys[i].needed != (strstr(text, "It must be there.") != NULL))
			fail_msg("'%s' of '%s' %s be there", keys[i].name, keys[i].section,
				 keys[i].needed ? "must" : "need not");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_described),     cmocka_unit_test(no_key_is_described_that_is_not_there),
		cmocka_unit_test(every_limit_is_described),   cmocka_unit_test(every_default_is_described),
		cmocka_unit_test(what_must_be_there_is_said),
	};

	return cmocka_run_group_tests(tests, read_page, NULL);
}
