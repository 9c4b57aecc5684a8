// SPDX-License-Identifier: BSD-2-Clause
/* Lines of the access log: one line each, whatever a client sends, and no longer than a pipe takes whole. */
#include "test.h"

#include <jansson.h>

#include "proxy/http1_message.h"
#include "proxy/http_log.h"

static char text[HTTP1_MAX_HEAD], line[HTTP_LOG_LINE + 1];
static struct http_log_note note;

/* The line of this head, answered with 200. */
static const char *line_of(const char *bytes, size_t size, bool json)
{
	struct http_log_entry entry = {
		.note = &note,
		.client = "2001:db8::1",
		.service = "chat",
		.time_ms = 1764171062345,
		.took_ms = 17,
		.status = 200,
		.bytes = 5000000000,
	};
	struct http1_head head = { .text = text };
	size_t used, length;

	http1_head_reset(&head);
	assert_int_equal(http1_head_take(&head, &http1_default_limits, bytes, size, &used), 0);
	assert_true(head.complete);
	http_log_note(&head, json, &note);
	length = http_log_line(&entry, json, line);
	assert_in_range(length, 1, HTTP_LOG_LINE);
	line[length] = 0;
	assert_int_equal(strlen(line), length);
	assert_ptr_equal(strchr(line, '\n'), line + length - 1);
	return line;
}

#define LINE(literal, json) line_of((literal), sizeof(literal) - 1, (json))

#define PLAIN                                                                                                          \
	"GET /a?b=c HTTP/1.1\r\nHost: chat.test\r\nreferer: https://chat.test/\r\nUser-Agent: Mozilla/5.0 "            \
	"(X11)\r\n\r\n"

static void the_combined_format(void **state)
{
	(void)state;
	assert_string_equal(LINE(PLAIN, false),
			    "2001:db8::1 - - [26/Nov/2025:15:31:02 +0000] \"GET /a?b=c HTTP/1.1\" 200 5000000000 "
			    "\"https://chat.test/\" \"Mozilla/5.0 (X11)\"\n");
	assert_string_equal(
	    LINE("HEAD / HTTP/1.0\r\nHost: a\r\n\r\n", false),
	    "2001:db8::1 - - [26/Nov/2025:15:31:02 +0000] \"HEAD / HTTP/1.0\" 200 5000000000 \"-\" \"-\"\n");
}

static void the_json_format(void **state)
{
	(void)state;
	assert_string_equal(LINE(PLAIN, true),
			    "{\"time\":\"2025-11-26T15:31:02.345Z\",\"client\":\"2001:db8::1\",\"service\":\"chat\","
			    "\"method\":\"GET\",\"target\":\"/a?b=c\",\"version\":\"1.1\",\"host\":\"\",\"status\":200,"
			    "\"bytes\":5000000000,\"ms\":17,\"referer\":\"https://chat.test/\","
			    "\"user_agent\":\"Mozilla/5.0 (X11)\"}\n");
}

/* Quotes would end a field, an escape would take the next one's meaning. */
static void what_a_client_sends_stays_in_its_field(void **state)
{
	(void)state;
	LINE("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\" 200 \\\t\xfcz\r\n\r\n", false);
	assert_non_null(strstr(line, " \"-\" \"a\\\" 200 \\\\\\x09\\xFCz\"\n"));
}

static void every_byte_makes_a_line(void **state)
{
	char head[128];
	json_error_t wrong;

	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		struct http1_head probe = { .text = text };
		size_t used,
		    size = (size_t)sprintf(head, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x%cy\r\n\r\n", byte);
		json_t *read;

		http1_head_reset(&probe);
		if (http1_head_take(&probe, &http1_default_limits, head, size, &used))
			continue; /* a byte that no field may have */
		line_of(head, size, false);
		read = json_loads(line_of(head, size, true), 0, &wrong);
		assert_non_null(read);
		json_decref(read);
	}
}

/* Everything that is long at once, of characters that grow. */
static void the_longest_request_makes_a_line(void **state)
{
	static const char grows[] = { '"', '\\', '\xff' };
	static char head[HTTP1_MAX_HEAD];
	json_error_t wrong;

	(void)state;
	for (size_t g = 0; g < LENGTH(grows); g++) {
		size_t size = (size_t)sprintf(head, "OPTIONS /");
		json_t *read;

		memset(head + size, '%', 7000);
		size += 7000;
		size += (size_t)sprintf(head + size, " HTTP/1.1\r\nHost: a\r\nReferer: ");
		memset(head + size, grows[g], 3000);
		size += 3000;
		size += (size_t)sprintf(head + size, "\r\nUser-Agent: ");
		memset(head + size, grows[g], 3000);
		size += 3000;
		size += (size_t)sprintf(head + size, "\r\n\r\n");
		line_of(head, size, false);
		assert_non_null(strstr(line, "...\" \""));
		read = json_loads(line_of(head, size, true), 0, &wrong);
		assert_non_null(read);
		json_decref(read);
	}
}

static void a_request_that_could_not_be_read(void **state)
{
	struct http_log_entry entry = { .client = "192.0.2.1", .service = "chat", .status = 400, .bytes = 12 };

	(void)state;
	line[http_log_line(&entry, false, line)] = 0;
	assert_string_equal(line, "192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 12 \"-\" \"-\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_combined_format),
		cmocka_unit_test(the_json_format),
		cmocka_unit_test(what_a_client_sends_stays_in_its_field),
		cmocka_unit_test(every_byte_makes_a_line),
		cmocka_unit_test(the_longest_request_makes_a_line),
		cmocka_unit_test(a_request_that_could_not_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
