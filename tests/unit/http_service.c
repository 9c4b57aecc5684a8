// SPDX-License-Identifier: BSD-2-Clause
/* What the configuration says of HTTP, as conversations use it; and what an instance says of its kept connections. */
#include "test.h"

#include <errno.h>
#include <limits.h>

#include "core/endpoint.h"
#include "proxy/http_exchange.h"
#include "proxy/http_service.h"

static struct http_service *service_of(const struct rcxlb_http *said)
{
	struct http_service *service;
	struct error error;

	assert_int_equal(http_service_new(said, NULL, &service, &error), 0);
	return service;
}

static void nothing_said_is_the_default(void **state)
{
	struct rcxlb_http said = { .flags = RCXLB_HTTP_PARSED };
	struct http_service *service = service_of(&said);

	(void)state;
	assert_int_equal(service->limits.head, RCXLB_HTTP_HEAD_BYTES);
	assert_int_equal(service->limits.fields, RCXLB_HTTP_FIELDS);
	assert_true(service->limits.body == UINT64_MAX);
	assert_int_equal(service->said.head_ms, RCXLB_HTTP_HEAD_MS);
	assert_int_equal(service->said.body_ms, RCXLB_HTTP_BODY_MS);
	assert_int_equal(service->said.answer_ms, RCXLB_HTTP_ANSWER_MS);
	assert_int_equal(service->set_count, 0);
	free(service);
}

static void limits_stay_where_the_parser_can_keep_them(void **state)
{
	struct rcxlb_http much = { .head_bytes = UINT32_MAX, .fields = UINT32_MAX, .body_bytes = 7 };
	struct rcxlb_http little = { .head_bytes = 1, .fields = 1 };
	struct http_service *service = service_of(&much);

	(void)state;
	assert_int_equal(service->limits.head, HTTP1_MAX_HEAD);
	assert_int_equal(service->limits.fields, HTTP1_MAX_FIELDS);
	assert_true(service->limits.body == 7);
	free(service);
	service = service_of(&little);
	assert_int_equal(service->limits.head, 64);
	assert_int_equal(service->limits.fields, 1);
	free(service);
}

static void headers_are_checked(void **state)
{
	struct rcxlb_http said = { .headers = 2, .header = { { "X-A", "b c" }, { "X-Long", "" } } };
	struct http_service *service;
	struct error error;

	(void)state;
	memset(said.header[1].value, 'x', sizeof(said.header[1].value)); /* no final 0 */
	service = service_of(&said);
	assert_int_equal(service->set_count, 2);
	assert_true(http1_equal(service->set[0].name, HTTP1_SPAN("X-A")));
	assert_true(http1_equal(service->set[0].value, HTTP1_SPAN("b c")));
	assert_int_equal(service->set[1].value.length, RCXLB_PATH_LEN);
	free(service);
	strcpy(said.header[1].name, "Host");
	assert_int_equal(http_service_new(&said, NULL, &service, &error), -EINVAL);
	assert_string_equal(error.text, "header Host: a field that the proxy itself sets or removes");
}

static void trust(void **state)
{
	static const struct {
		const char *what, *prefix, *client;
		uint32_t length;
		bool trusted;
	} rows[] = {
		{ "the address itself", "192.0.2.7:1", "192.0.2.7:5", 128, true },
		{ "another address", "192.0.2.7:1", "192.0.2.6:5", 128, false },
		{ "one that only the last bit tells apart", "192.0.2.7:1", "192.0.2.6:5", 127, true },
		{ "in a net of whole bytes", "192.0.2.0:1", "192.0.2.200:5", 96 + 24, true },
		{ "beside it", "192.0.2.0:1", "192.0.3.1:5", 96 + 24, false },
		{ "in a net that ends within a byte", "10.128.0.0:1", "10.200.1.1:5", 96 + 9, true },
		{ "beside it", "10.128.0.0:1", "10.127.1.1:5", 96 + 9, false },
		{ "all IPv4", "192.0.2.7:1", "203.0.113.9:5", 96, true },
		{ "IPv6 is not IPv4", "192.0.2.7:1", "[2001:db8::1]:5", 96, false },
		{ "everybody", "192.0.2.7:1", "[2001:db8::1]:5", 0, true },
		{ "in a net of IPv6", "[2001:db8::]:1", "[2001:db8:ffff::1]:5", 32, true },
		{ "a length past the address means nobody", "192.0.2.7:1", "192.0.2.7:5", 129, false },
	};

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct rcxlb_http said = { .trusted_count = 2,
					   .trusted = { { .length = 128 }, { .length = rows[r].length } } };
		struct rcxlb_endpoint prefix, client;
		struct http_service *service;
		struct error error;

		assert_int_equal(endpoint_parse(rows[r].prefix, false, &prefix, &error), 0);
		assert_int_equal(endpoint_parse(rows[r].client, false, &client, &error), 0);
		memcpy(said.trusted[1].address, prefix.address, sizeof(prefix.address));
		service = service_of(&said);
		check(http_service_trusts(service, &client) == rows[r].trusted, rows[r].what);
		free(service);
	}
}

static void kept_connections(void **state)
{
	static const struct {
		const char *what, *field;
		int seconds;
	} rows[] = {
		{ "Node's", "Keep-Alive: timeout=5\r\n", 5 },
		{ "Apache's", "Keep-Alive: timeout=15, max=100\r\n", 15 },
		{ "in another order and case", "keep-alive: max=100, Timeout=7\r\n", 7 },
		{ "not said", "X: timeout=5\r\n", -1 },
		{ "said of something else", "Keep-Alive: max=100\r\n", -1 },
		{ "no number", "Keep-Alive: timeout=soon\r\n", -1 },
		{ "empty", "Keep-Alive: timeout=\r\n", -1 },
		{ "longer than anybody lives", "Keep-Alive: timeout=99999999999\r\n", INT_MAX },
		{ "a name that only looks so", "Keep_Alive: timeout=5\r\n", -1 },
	};
	const struct http1_asked asked = { .keep = true, .minor = 1 };

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct http_exchange exchange = {};
		static char buffer[HTTP1_MAX_HEAD];
		char text[256];

		snprintf(text, sizeof(text), "HTTP/1.1 204 No Content\r\n%s\r\n", rows[r].field);
		http1_answers_init(&exchange.answer.parser, buffer, &http1_default_limits);
		http1_answer_expect(&exchange.answer.parser, &asked);
		check(http1_next(&exchange.answer.parser, text, strlen(text)).kind == HTTP1_HEAD, rows[r].what);
		check(http_exchange_keep_alive(&exchange) == rows[r].seconds, rows[r].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(limits_stay_where_the_parser_can_keep_them),
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(trust),
		cmocka_unit_test(kept_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
