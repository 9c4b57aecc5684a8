// SPDX-License-Identifier: BSD-2-Clause
/* Answers to challenges of a certificate authority: what is one, and what others find of those that were published. */
#include "test.h"

#include "core/http.h"
#include "proxy/http_challenges.h"

#define TOKEN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define PRINT "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define LONG  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct http1_span span(const char *text)
{
	return (struct http1_span){ text, strlen(text) };
}

static const struct {
	const char *sentence, *name, *content;
	const char *shown; /* NULL: nothing */
} rows[] = {
	{ "as certbot writes it", TOKEN, TOKEN "." PRINT, TOKEN "." PRINT },
	{ "with an end of line", TOKEN, TOKEN "." PRINT "\r\n", TOKEN "." PRINT },
	{ "the shortest", "a", "a.b", "a.b" },
	{ "of another token", TOKEN, "a." PRINT, NULL },
	{ "of a token that begins alike", "a", "ab.c", NULL },
	{ "a secret that somebody linked there", TOKEN, "root:$6$abc:19000:0:99999:7:::\n", NULL },
	{ "a second line", TOKEN, TOKEN "." PRINT "\nroot:x:0:0", NULL },
	{ "a thumbprint that is none", TOKEN, TOKEN "." PRINT "=", NULL },
	{ "no thumbprint", TOKEN, TOKEN ".", NULL },
	{ "no point", TOKEN, TOKEN, NULL },
	{ "nothing", TOKEN, "", NULL },
	{ "blanks alone", TOKEN, " \n", NULL },
	{ "a name that is a path", "../a", "../a.b", NULL },
	{ "a name with a point", "a.b", "a.b.c", NULL },
	{ "a name with a per cent", "a%2f", "a%2f.b", NULL },
	{ "no name", "", ".b", NULL },
	{ "the longest name", LONG LONG, LONG LONG "." PRINT, LONG LONG "." PRINT },
	{ "a longer one", LONG LONG "a", LONG LONG "a." PRINT, NULL },
	{ "the longest text", LONG LONG,
	  LONG LONG "." LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  LONG LONG "." LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ "a longer one", LONG LONG, LONG LONG "." LONG LONG, NULL },
};

static void what_a_folder_shows(void **state)
{
	static struct http_challenges now, shared;
	char text[HTTP_CHALLENGE_TEXT];

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		const char *shown = rows[r].shown;
		int length;

		now.count = 0;
		check(http_challenges_add(&now, "/w", span(rows[r].name), span(rows[r].content)) == (shown != NULL),
		      rows[r].sentence);
		http_challenges_publish(&shared, &now);
		length = http_challenges_find(&shared, "/w", span(rows[r].name), text);
		check(length == (shown ? (int)strlen(shown) : 0) && (!shown || !memcmp(text, shown, length)),
		      rows[r].sentence);
		check(!http_challenges_find(&shared, "/other", span(rows[r].name), text),
		      "another folder shows nothing");
		check(http_challenges_looks(&shared) == r + 1, "each look is counted");
	}
}

static void there_is_an_end_to_challenges(void **state)
{
	static struct http_challenges now;
	char name[16], content[32];

	(void)state;
	for (int i = 0; i <= HTTP_CHALLENGES; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		snprintf(content, sizeof(content), "t%d.b", i);
		assert_int_equal(http_challenges_add(&now, "/w", span(name), span(content)), i < HTTP_CHALLENGES);
	}
}

/* Who reads while it is written finds nothing, and not half of it, but learns that it may be there all the same. */
static void what_is_being_written_is_neither_there_nor_not(void **state)
{
	static struct http_challenges now, shared;
	char text[HTTP_CHALLENGE_TEXT];

	(void)state;
	assert_true(http_challenges_add(&now, "/w", span("a"), span("a.b")));
	http_challenges_publish(&shared, &now);
	shared.version++;
	assert_int_equal(http_challenges_find(&shared, "/w", span("a"), text), HTTP_CHALLENGES_BUSY);
	assert_int_equal(http_challenges_find(&shared, "/w", span("b"), text), HTTP_CHALLENGES_BUSY);
	shared.version++;
	assert_int_equal(http_challenges_find(&shared, "/w", span("a"), text), 3);
	assert_int_equal(http_challenges_find(&shared, "/w", span("b"), text), 0);
}

static void where_an_authority_asks(void **state)
{
	struct rcxlb_http http = { .acme = "/w" }, none = {};
	static const struct {
		const char *path;
		bool asks;
	} paths[] = {
		{ "/.well-known/acme-challenge/a", true },    { "/.well-known/acme-challenge/a?b", true },
		{ "/.well-known/acme-challenge/", false },    { "/.well-known/acme-challenge", false },
		{ "/.well-known/acme-challenges/a", false },  { "/a/.well-known/acme-challenge/a", false },
		{ "/.well-known/%61cme-challenge/a", false }, { "*", false },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(paths); i++) {
		check(http_has_challenge(&http, paths[i].path, strlen(paths[i].path)) == paths[i].asks, paths[i].path);
		assert_false(http_has_challenge(&none, paths[i].path, strlen(paths[i].path)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_folder_shows),
		cmocka_unit_test(there_is_an_end_to_challenges),
		cmocka_unit_test(what_is_being_written_is_neither_there_nor_not),
		cmocka_unit_test(where_an_authority_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
