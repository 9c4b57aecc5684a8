// SPDX-License-Identifier: BSD-2-Clause
/* Which service's backends answer a request: by the path, and by nothing else. */
#include "test.h"

#include <errno.h>

#include "core/http.h"

#define OTHERWISE 9

static const struct {
	const char *sentence;
	const char *target; /* as it stands in a request */
	uint32_t service;
} rows[] = {
	{ "the path itself", "/sockjs", 1 },
	{ "what is below it", "/sockjs/123/abc/websocket", 1 },
	{ "with a query", "/sockjs?x=/websocket", 1 },
	{ "with a slash and nothing behind it", "/sockjs/", 1 },
	{ "a longer name is another one", "/sockjsx", OTHERWISE },
	{ "a shorter one too", "/sock", OTHERWISE },
	{ "letters in another case are other letters", "/SockJS", OTHERWISE },
	{ "the longest that fits counts, whatever stands first", "/sockjs/info", 2 },
	{ "and below that", "/sockjs/info/x", 2 },
	{ "not where it only begins alike", "/sockjs/information", 1 },
	{ "a path of one letter", "/a", 3 },
	{ "in a query there is no path", "/?/sockjs", OTHERWISE },
	{ "nor in another path", "/x/sockjs", OTHERWISE },
	{ "two slashes are no segment", "//sockjs", OTHERWISE },
	{ "the root", "/", OTHERWISE },
	{ "of the server as a whole", "*", OTHERWISE },
	{ "nothing", "", OTHERWISE },
};

static void the_longest_path_counts(void **state)
{
	struct rcxlb_http http = {};
	struct error error;

	(void)state;
	assert_int_equal(http_route(&http, "/sockjs", 1, &error), 0);
	assert_int_equal(http_route(&http, "/sockjs/info", 2, &error), 0);
	assert_int_equal(http_route(&http, "/a", 3, &error), 0);
	for (size_t r = 0; r < LENGTH(rows); r++)
		check(http_routed(&http, rows[r].target, strlen(rows[r].target), OTHERWISE) == rows[r].service,
		      rows[r].sentence);
}

static void bytes_behind_the_target_are_not_looked_at(void **state)
{
	struct rcxlb_http http = {};
	struct error error;

	(void)state;
	assert_int_equal(http_route(&http, "/abc", 1, &error), 0);
	assert_int_equal(http_routed(&http, "/abc", 3, OTHERWISE), OTHERWISE);
	assert_int_equal(http_routed(&http, "/abcd", 4, OTHERWISE), 1);
}

static void there_is_an_end_to_routes(void **state)
{
	struct rcxlb_http http = {};
	struct error error;
	char path[16];

	(void)state;
	for (int i = 0; i < RCXLB_MAX_ROUTES; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		assert_int_equal(http_route(&http, path, 1, &error), 0);
	}
	assert_int_equal(http_route(&http, "/x", 1, &error), -E2BIG);
	assert_int_equal(http_route(&http, "/1", 1, &error), -EEXIST);
	assert_int_equal(http.routes, RCXLB_MAX_ROUTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_path_counts),
		cmocka_unit_test(bytes_behind_the_target_are_not_looked_at),
		cmocka_unit_test(there_is_an_end_to_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
