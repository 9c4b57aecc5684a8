// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "../http1/cases.h"

static void run(const struct http1_case *c, struct trip_cut cut)
{
	struct trip *trip = trip_make(&c->settings, c->bytes, c->length, cut);
	bool same =
	    trip->text.length == c->sees_length && (!c->sees_length || !memcmp(trip->text.at, c->sees, c->sees_length));

	if (!same || trip->status != c->status || trip->state != c->state || (c->status && !trip->why))
		fail_msg(
		    "%s (%s), cut at %zu and every %zu: status %d instead of %d, state %d instead of %d, %s\n%.*s\n"
		    "instead of\n%s",
		    c->what, c->section, cut.first, cut.every, trip->status, c->status, trip->state, c->state,
		    trip->why ? trip->why : "nothing wrong", (int)trip->text.length, trip->text.at ? trip->text.at : "",
		    c->sees);
	trip_free(trip);
}

/* A row of kilobytes is cut at every place of its first and last part, and at some between. */
static bool cut_here(size_t at, size_t length)
{
	return at < 512 || length - at < 64 || at % 97 == 0;
}

static void run_all(const struct http1_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct http1_case *c = &cases[i];

		run(c, (struct trip_cut){ 0, 0 });
		run(c, (struct trip_cut){ 0, 1 });
		for (size_t at = 1; at < c->length; at++)
			if (cut_here(at, c->length))
				run(c, (struct trip_cut){ at, 0 });
	}
}

static void requests(void **state)
{
	(void)state;
	run_all(http1_request_cases, LENGTH(http1_request_cases));
}

static void answers(void **state)
{
	(void)state;
	run_all(http1_answer_cases, LENGTH(http1_answer_cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(requests), cmocka_unit_test(answers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
