// SPDX-License-Identifier: BSD-2-Clause
/* How much of a text fits without cutting a character. */
#include "test.h"

#include "core/utf8.h"

static const struct {
	const char *what;
	const char *text;
	size_t most, fits;
} fits[] = {
	{ "nothing of nothing", "", 0, 0 },
	{ "nothing, of which there is room for more", "", 9, 0 },
	{ "all of it", "abc", 3, 3 },
	{ "what there is room for", "abc", 2, 2 },
	{ "no room", "abc", 0, 0 },
	{ "two bytes, whole", "a\u00e9", 3, 3 },
	{ "two bytes, cut", "a\u00e9", 2, 1 },
	{ "three bytes, cut behind the first", "\u20ac\u20ac", 4, 3 },
	{ "three bytes, cut behind the second", "\u20ac\u20ac", 5, 3 },
	{ "four bytes, whole", "\U0001f600", 4, 4 },
	{ "four bytes, cut", "\U0001f600", 3, 0 },
	{ "up to what is no character",
	  "ab\xff"
	  "cd",
	  5, 2 },
	{ "up to a character that the text's end cuts", "ab\xe2\x82", 9, 2 },
};

static void whole_characters_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(fits); i++)
		check(utf8_fit(fits[i].text, fits[i].most) == fits[i].fits, fits[i].what);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole_characters_fit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
