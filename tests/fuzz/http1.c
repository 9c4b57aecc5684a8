// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes through the HTTP/1 core (make fuzz-http1). What must hold:
 * - however the stream is cut, the same goes on and the same is refused;
 * - what went on, parsed again, is the same messages: there is nothing in it that could be read in two ways;
 * - the instance sees each of the forwarding fields once, first in the head, and an untrusted client's never; and Via
 *   last.
 */
#include "../http1/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static bool same(const struct trip_bytes *a, const struct trip_bytes *b)
{
	return a->length == b->length && (!a->length || !memcmp(a->at, b->at, a->length));
}

static void cut_alike(const struct trip *whole, const struct trip_settings *settings, const char *bytes, size_t length,
		      struct trip_cut cut)
{
	struct trip *other = trip_make(settings, bytes, length, cut);

	must(same(&whole->text, &other->text));
	must(whole->status == other->status && whole->state == other->state && whole->why == other->why);
	trip_free(other);
}

/* Its own notion of a name, apart from the one under test. */
static bool named(const char *field, size_t length, const char *name)
{
	size_t i = 0;

	for (; name[i]; i++) {
		char c = i < length ? field[i] : 0;

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c && strchr("!#$%&'*+.^_`|~", c))
			c = '-';
		if (c != name[i])
			return false;
	}
	return i == length || name[i - 1] == '-';
}

static bool is_forwarding(const char *field, size_t length)
{
	return named(field, length, "x-forwarded-") || named(field, length, "x-real-ip") ||
	       named(field, length, "forwarded");
}

static bool begins(const char *line, const char *end, const char *with)
{
	size_t length = strlen(with);

	return (size_t)(end - line) >= length && !memcmp(line, with, length);
}

/* The lines of a head as it was written, found without the parser. */
static void ours_in_place(const char *head, size_t length, const struct trip_settings *settings)
{
	static const char *const ours[] = { "X-Forwarded-For: ",  "X-Forwarded-Proto: ", "X-Forwarded-Host: ",
					    "X-Forwarded-Port: ", "X-Real-IP: ",	 "Forwarded: " };
	const char *end = head + length, *client = settings->ipv6 ? "2001:db8::7\r\n" : "192.0.2.7\r\n";
	const char *before = NULL;
	unsigned int number = 0;

	for (const char *line = head, *next; line < end; before = line, line = next, number++) {
		const char *colon;

		next = memchr(line, '\n', end - line);
		must(next && next > line && next[-1] == '\r');
		next++;
		must(next - line >= 2 && !memchr(line, '\r', next - line - 2));
		if (number == 0)
			continue;
		if (number <= 6) {
			must(begins(line, next, ours[number - 1]));
			if ((number == 1 || number == 5) && !settings->trusted)
				must(begins(line + strlen(ours[number - 1]), next, client));
			continue;
		}
		if (number == 7)
			must(begins(line, next, "Host: "));
		if (next == end) {
			must(next - line == 2);
			must(before && begins(before, line, "Via: 1."));
			return;
		}
		colon = memchr(line, ':', next - line);
		must(colon && colon > line && colon[1] == ' ');
		must(!is_forwarding(line, colon - line) ||
		     (settings->trusted && named(line, colon - line, "x-forwarded-") &&
		      line + strcspn(line, ":!#$%&'*+.^_`|~") == colon));
	}
	must(!"a head without its end");
}

/* What the proxy adds can carry a head over its own limits: the second time it is refused. */
static bool past_limits(const char *head, size_t length)
{
	size_t fields = 0;

	for (size_t i = 0; i < length; i++)
		fields += head[i] == '\n';
	return length > HTTP1_MAX_HEAD || fields > HTTP1_MAX_FIELDS + 2;
}

/* What the same requests are behind one proxy more: their heads name one more in Via. */
static void once_more(const struct trip *trip, struct trip_bytes *to)
{
	static const char via[] = "Via: 1.1 rcxlb\r\n\r\n";
	size_t at = 0;

	for (unsigned int m = 0; m < trip->marks; m++) {
		trip_append(to, trip->text.at + at, trip->mark[m].body - 2 - at);
		trip_append(to, via, sizeof(via) - 1);
		at = trip->mark[m].body;
	}
	trip_append(to, trip->text.at + at, trip->text.length - at);
}

/* What went on, sent through once more. */
static void again(const struct trip *first, const struct trip_settings *settings)
{
	struct trip_settings wide = *settings;
	bool cut_off = first->marks && !first->mark[first->marks - 1].complete;
	struct trip_bytes expected = {};
	struct trip *second;

	wide.head_limit = wide.fields_limit = wide.target_limit = 0;
	wide.body_limit = 0;
	if (!first->wire.length)
		return;
	for (unsigned int m = 0; m < first->marks; m++)
		if (past_limits(first->text.at + first->mark[m].head, first->mark[m].body - first->mark[m].head))
			return;
	second = trip_make(&wide, first->wire.at, first->wire.length, (struct trip_cut){});
	must(second->state != TRIP_FAILED);
	must(second->marks == first->marks || (settings->answers && settings->to_http10) || settings->close);
	/* Trusted lists grow by one; a body until close that was cut off cannot be told from a whole one. */
	if (settings->trusted || settings->close || (cut_off && settings->answers && settings->to_http10)) {
		trip_free(second);
		return;
	}
	if (settings->answers)
		trip_append(&expected, first->text.at, first->text.length);
	else
		once_more(first, &expected);
	must(same(&expected, &second->text));
	free(expected.at);
	trip_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
	struct trip_settings settings;
	struct trip_cut cut;
	size_t begin = input_settings(input, length, &settings, &cut);
	const char *bytes = (const char *)input + begin;
	struct trip *whole;

	length -= begin;
	whole = trip_make(&settings, bytes, length, (struct trip_cut){});
	cut_alike(whole, &settings, bytes, length, cut);
	cut_alike(whole, &settings, bytes, length, (struct trip_cut){ 0, 1 });
	if (!settings.answers)
		for (unsigned int m = 0; m < whole->marks; m++)
			ours_in_place(whole->text.at + whole->mark[m].head, whole->mark[m].body - whole->mark[m].head,
				      &settings);
	again(whole, &settings);
	trip_free(whole);
	return 0;
}
