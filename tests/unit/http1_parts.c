// SPDX-License-Identifier: BSD-2-Clause
/* What the table of http1.c does not reach: the proxy's own answers, the edges of buffers and limits, single steps. */
#include "test.h"

#include "../http1/trip.h"

#include "proxy/http1_answer.h"

static char buffer[HTTP1_MAX_HEAD];
static struct http1_parser parser;

static struct http1_event feed(const char *text)
{
	return http1_next(&parser, text, strlen(text));
}

static const struct {
	const char *what;
	struct http1_answer answer;
	const char *text;
} own[] = {
	{ "a refusal",
	  { .status = 400 },
	  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: 16\r\n"
	  "Connection: close\r\n\r\n400 Bad Request\n" },
	{ "to HEAD",
	  { .status = 431, .head = true },
	  "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
	  "Content-Length: 36\r\nConnection: close\r\n\r\n" },
	{ "later, and the connection stays",
	  { .status = 503, .retry_after = 5, .keep = true },
	  "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
	  "Content-Length: 24\r\nRetry-After: 5\r\n\r\n503 Service Unavailable\n" },
	{ "HTTP/1.0 is told that the connection stays",
	  { .status = 504, .keep = true, .http10 = true },
	  "HTTP/1.1 504 Gateway Timeout\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
	  "Content-Length: 20\r\nConnection: keep-alive\r\n\r\n504 Gateway Timeout\n" },
	{ "with its time",
	  { .status = 400, .date = 784111777 },
	  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: 16\r\n"
	  "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n400 Bad Request\n" },
	{ "a status without a phrase here",
	  { .status = 599 },
	  "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
	  "Content-Length: 26\r\nConnection: close\r\n\r\n500 Internal Server Error\n" },
};

static void own_answers(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(own); r++) {
		char to[HTTP1_ANSWER_ROOM];
		ssize_t length = http1_answer_write(&own[r].answer, to, sizeof(to));

		check(length == (ssize_t)strlen(own[r].text) && !memcmp(to, own[r].text, length), own[r].what);
		for (ssize_t room = 0; room < length; room++)
			check(http1_answer_write(&own[r].answer, to, room) == -ENOSPC, own[r].what);
	}
}

/* Each is an answer that the parser takes, with the body that it announces, and fits where it is said to fit. */
static void own_answers_are_answers(void **state)
{
	static const int statuses[] = { 400, 408, 413, 414, 417, 421, 431, 501, 502, 503, 504, 505 };

	(void)state;
	for (size_t s = 0; s < LENGTH(statuses); s++)
		for (int head = 0; head < 2; head++) {
			struct http1_answer answer = { .status = statuses[s],
						       .retry_after = UINT32_MAX,
						       .head = head,
						       .keep = true,
						       .http10 = true };
			const struct trip_settings settings = { .answers = true, .to_head = head };
			char to[HTTP1_ANSWER_ROOM], line[32];
			ssize_t length = http1_answer_write(&answer, to, sizeof(to));
			struct trip *trip;

			assert_true(length > 0);
			snprintf(line, sizeof(line), "HTTP/1.1 %d ", statuses[s]);
			assert_memory_equal(to, line, strlen(line));
			trip = trip_make(&settings, to, length, (struct trip_cut){});
			assert_int_equal(trip->state, TRIP_BETWEEN);
			assert_int_equal(trip->marks, 1);
			trip_free(trip);
		}
}

static const struct {
	const char *what, *request, *text;
	bool keep;
} redirects[] = {
	{ "a GET", "GET /a?b HTTP/1.1\r\nHost: h.test\r\n\r\n",
	  "HTTP/1.1 301 Moved Permanently\r\nLocation: https://h.test/a?b\r\nContent-Length: 0\r\n\r\n", true },
	{ "the port was another scheme's", "HEAD / HTTP/1.1\r\nHost: h:8080\r\n\r\n",
	  "HTTP/1.1 301 Moved Permanently\r\nLocation: https://h/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	  false },
	{ "an IPv6 address keeps its brackets", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	  "HTTP/1.1 301 Moved Permanently\r\nLocation: https://[::1]/\r\nContent-Length: 0\r\n\r\n", true },
	{ "a POST keeps its method", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
	  "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h/\r\nContent-Length: 0\r\n\r\n", true },
	{ "two slashes are a path", "GET //evil.test/ HTTP/1.1\r\nHost: h\r\n\r\n",
	  "HTTP/1.1 301 Moved Permanently\r\nLocation: https://h//evil.test/\r\nContent-Length: 0\r\n\r\n", true },
	{ "an absolute target without a path", "GET http://h?a HTTP/1.1\r\nHost: h\r\n\r\n",
	  "HTTP/1.1 301 Moved Permanently\r\nLocation: https://h/?a\r\nContent-Length: 0\r\n\r\n", true },
	{ "the asterisk has no path", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
	  "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h/\r\nContent-Length: 0\r\n\r\n", true },
	{ "HTTP/1.0 is told that it is kept", "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
	  "HTTP/1.1 301 Moved Permanently\r\nLocation: https://h/\r\nContent-Length: 0\r\nConnection: "
	  "keep-alive\r\n\r\n",
	  true },
};

static void redirected(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(redirects); r++) {
		const char *text = redirects[r].text;
		char to[HTTP1_ANSWER_ROOM];
		ssize_t length;

		http1_requests_init(&parser, buffer, &http1_default_limits, false);
		feed(redirects[r].request);
		length = http1_redirect_write(&parser.head, redirects[r].keep, 0, to, sizeof(to));
		check(length == (ssize_t)strlen(text) && !memcmp(to, text, length), redirects[r].what);
		for (ssize_t room = 0; room < length; room++)
			check(http1_redirect_write(&parser.head, redirects[r].keep, 0, to, room) == -ENOSPC,
			      redirects[r].what);
	}
}

static const struct {
	const char *what, *name, *value;
	bool fine;
} headers[] = {
	{ "an ordinary one", "X-Frame-Options", "DENY", true },
	{ "an empty value", "A", "", true },
	{ "no name", "", "a", false },
	{ "a blank in the name", "A B", "a", false },
	{ "a colon in the name", "A:", "a", false },
	{ "a line end in the value", "A", "a\r\nB: c", false },
	{ "a blank at the end", "A", "a ", false },
	{ "framing", "Content-Length", "1", false },
	{ "framing, otherwise written", "transfer_encoding", "chunked", false },
	{ "framing, with a point", "Content.Length", "1", false },
	{ "the connection", "Connection", "close", false },
	{ "Host", "Host", "h", false },
	{ "who the client is", "X-Forwarded-For", "a", false },
	{ "who the client is, otherwise written", "x_real_ip", "a", false },
	{ "who the client is, with a tilde", "X~Real~IP", "a", false },
};

static void configured_headers(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(headers); r++) {
		const struct http1_header header = { { headers[r].name, strlen(headers[r].name) },
						     { headers[r].value, strlen(headers[r].value) } };

		check(!http1_header_wrong(&header) == headers[r].fine, headers[r].what);
	}
}

static void chunk_heads(void **state)
{
	static const struct {
		uint64_t size;
		const char *text;
	} rows[] = { { 1, "1\r\n" },
		     { 15, "f\r\n" },
		     { 16, "10\r\n" },
		     { 255, "ff\r\n" },
		     { 4096, "1000\r\n" },
		     { INT64_MAX, "7fffffffffffffff\r\n" },
		     { UINT64_MAX, "ffffffffffffffff\r\n" } };

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		char to[HTTP1_CHUNK_ROOM];
		size_t length = http1_chunk_head(rows[r].size, to);

		check(length == strlen(rows[r].text) && !memcmp(to, rows[r].text, length), rows[r].text);
	}
}

/* A head of just the limit passes, a byte more does not; it is no matter what the byte is. */
static void head_limit_to_the_byte(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	struct http1_limits limits = http1_default_limits;

	(void)state;
	limits.head = strlen(head);
	http1_requests_init(&parser, buffer, &limits, false);
	assert_int_equal(feed(head).kind, HTTP1_HEAD);
	limits.head--;
	http1_requests_init(&parser, buffer, &limits, false);
	assert_int_equal(feed(head).kind, HTTP1_FAILED);
	assert_int_equal(parser.status, 431);
}

/* The largest head that is taken goes on, or is refused with 431: the instance never gets one of 16 KiB. */
static void largest_heads(void **state)
{
	static const char begin[] = "GET / HTTP/1.1\r\nHost: ", end[] = "\r\n\r\n";
	static char text[HTTP1_MAX_HEAD], to[HTTP1_HEAD_ROOM];
	const struct http1_arrival arrival = { .client = HTTP1_SPAN("192.0.2.7"), .port = 80 };

	(void)state;
	for (size_t host = 1; host <= 255; host++) {
		size_t at = strlen(begin);
		ssize_t written;

		memset(text, 'a', sizeof(text));
		memcpy(text, begin, at);
		memcpy(text + at + host, "\r\nA: ", 5);
		memcpy(text + sizeof(text) - strlen(end), end, strlen(end));
		http1_requests_init(&parser, buffer, &http1_default_limits, false);
		assert_int_equal(http1_next(&parser, text, sizeof(text)).kind, HTTP1_HEAD);
		written = http1_to_instance(&parser.head, &arrival, to, sizeof(to));
		assert_true(written == -ENOSPC || (written > (ssize_t)sizeof(text) && written < 16 << 10));
		assert_true(written > 0 || host > 200);
		for (size_t room = 0; room < 600; room++)
			assert_int_equal(http1_to_instance(&parser.head, &arrival, to, room), -ENOSPC);
	}
}

/* What is written fits in a room of its length, and not in less. */
static void room_to_the_byte(void **state)
{
	static const char request[] =
	    "POST / HTTP/1.1\r\nHost: h:1\r\nExpect: 100-continue\r\nContent-Length: 5\r\nA: b\r\n\r\n";
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n";
	const struct http1_arrival arrival = { .client = HTTP1_SPAN("2001:db8::7"), .port = 65535, .secure = true };
	const struct http1_asked asked = { .keep = true, .minor = 1 };
	struct http1_reply reply;
	static char to[HTTP1_HEAD_ROOM];
	ssize_t length;

	(void)state;
	http1_requests_init(&parser, buffer, &http1_default_limits, true);
	assert_int_equal(feed(request).kind, HTTP1_HEAD);
	length = http1_to_instance(&parser.head, &arrival, to, sizeof(to));
	assert_true(length > 0);
	for (ssize_t room = 0; room < length; room++)
		assert_int_equal(http1_to_instance(&parser.head, &arrival, to, room), -ENOSPC);
	assert_int_equal(http1_to_instance(&parser.head, &arrival, to, length), length);

	http1_answers_init(&parser, buffer, &http1_default_limits);
	http1_answer_expect(&parser, &asked);
	assert_int_equal(feed(answer).kind, HTTP1_HEAD);
	reply = http1_reply_to(&parser.head, &asked, true);
	assert_false(reply.keep);
	reply.date = 784111777;
	length = http1_to_client(&parser.head, &asked, &reply, NULL, 0, to, sizeof(to));
	assert_true(length > 0);
	for (ssize_t room = 0; room < length; room++)
		assert_int_equal(http1_to_client(&parser.head, &asked, &reply, NULL, 0, to, room), -ENOSPC);
}

/* Who forwards an answer and has a clock says when it came, where that is not said; not of another protocol's
 * beginning. */
static void an_answer_gets_a_date(void **state)
{
	static const struct {
		const char *answer;
		bool upgrade, dated;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n\r\n", false, true },
		{ "HTTP/1.1 304 Not Modified\r\n\r\n", false, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\ndate: whatever it says\r\n\r\n", false, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Date: a\r\n\r\n", false, true },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", true,
		  false },
	};
	static const char date[] = "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
	static char to[HTTP1_HEAD_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct http1_asked asked = { .keep = true, .minor = 1, .upgrade = rows[i].upgrade };
		struct http1_reply reply;
		ssize_t length;

		http1_answers_init(&parser, buffer, &http1_default_limits);
		http1_answer_expect(&parser, &asked);
		assert_int_equal(feed(rows[i].answer).kind, HTTP1_HEAD);
		reply = http1_reply_to(&parser.head, &asked, false);
		reply.date = 784111777;
		length = http1_to_client(&parser.head, &asked, &reply, NULL, 0, to, sizeof(to));
		assert_true(length > (ssize_t)sizeof(date));
		assert_int_equal(!memcmp(to + length - (sizeof(date) - 1), date, sizeof(date) - 1), rows[i].dated);
	}
}

/* A websocket that was declined: what followed the request is the next request. One that was taken: it is not. */
static void after_an_upgrade(void **state)
{
	static const char upgrade[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
	static const char next[] = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
	struct http1_event event;

	(void)state;
	http1_requests_init(&parser, buffer, &http1_default_limits, false);
	event = feed(upgrade);
	assert_int_equal(event.kind, HTTP1_HEAD);
	assert_int_equal(event.used, strlen(upgrade));
	assert_true(http1_asked(&parser.head).upgrade);
	assert_int_equal(feed(next).kind, HTTP1_END);
	for (int i = 0; i < 2; i++) {
		event = feed(next);
		assert_int_equal(event.kind, HTTP1_HELD);
		assert_int_equal(event.used, 0);
	}
	http1_resume(&parser);
	assert_int_equal(feed(next).kind, HTTP1_HEAD);
	assert_int_equal(parser.head.path.length, strlen("/next"));
}

/* Anywhere else it changes nothing: what follows a close stays unread. */
static void resumed_without_an_upgrade(void **state)
{
	static const char last[] = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";

	(void)state;
	http1_requests_init(&parser, buffer, &http1_default_limits, false);
	assert_int_equal(feed(last).kind, HTTP1_HEAD);
	http1_resume(&parser);
	assert_int_equal(feed(last).kind, HTTP1_END);
	http1_resume(&parser);
	assert_int_equal(feed(last).kind, HTTP1_CLOSED);
}

/* An instance's idle connection: its end is no error, a byte is. */
static void idle_instances(void **state)
{
	const struct http1_asked asked = { .keep = true, .minor = 1 };

	(void)state;
	http1_answers_init(&parser, buffer, &http1_default_limits);
	assert_int_equal(feed("").kind, HTTP1_MORE);
	assert_int_equal(http1_end_of_input(&parser), HTTP1_CLOSED);
	http1_answers_init(&parser, buffer, &http1_default_limits);
	assert_int_equal(feed("H").kind, HTTP1_FAILED);
	assert_int_equal(parser.status, 502);
	/* What failed stays failed. */
	http1_answer_expect(&parser, &asked);
	assert_int_equal(feed("HTTP/1.1 200 OK\r\n\r\n").kind, HTTP1_FAILED);
	assert_int_equal(http1_end_of_input(&parser), HTTP1_FAILED);
}

/* The end of a stream at each place of a request. */
static void ends_of_input(void **state)
{
	static const struct {
		const char *what, *text;
		enum http1_kind kind;
	} rows[] = {
		{ "before the first byte", "", HTTP1_CLOSED },
		{ "behind one empty line", "\r\n", HTTP1_CLOSED },
		{ "in the empty line", "\r", HTTP1_FAILED },
		{ "behind one byte", "G", HTTP1_FAILED },
		{ "behind a request line", "GET / HTTP/1.1\r\n", HTTP1_FAILED },
		{ "before a body", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", HTTP1_FAILED },
	};

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		http1_requests_init(&parser, buffer, &http1_default_limits, false);
		feed(rows[r].text);
		check(http1_end_of_input(&parser) == rows[r].kind, rows[r].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_answers),
		cmocka_unit_test(own_answers_are_answers),
		cmocka_unit_test(redirected),
		cmocka_unit_test(configured_headers),
		cmocka_unit_test(chunk_heads),
		cmocka_unit_test(head_limit_to_the_byte),
		cmocka_unit_test(largest_heads),
		cmocka_unit_test(room_to_the_byte),
		cmocka_unit_test(an_answer_gets_a_date),
		cmocka_unit_test(after_an_upgrade),
		cmocka_unit_test(resumed_without_an_upgrade),
		cmocka_unit_test(idle_instances),
		cmocka_unit_test(ends_of_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
