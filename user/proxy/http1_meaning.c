// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_meaning.h"

#include <string.h>

#include "proxy/http1_chars.h"
#include "proxy/http1_host.h"

/* What the fields say, before it is weighed. */
struct facts {
	unsigned int lengths, codings, hosts;
	bool h2c, websocket;		 /* in Upgrade */
	bool upgrade, close, keep_alive; /* in Connection */
	bool other_expectation;
};

static int read_length(struct http1_head *head, struct http1_span value, struct facts *facts)
{
	/* A second one is refused even when it agrees: RFC 9112 6.3 allows that, and nobody honest sends it. */
	if (facts->lengths++)
		return http1_refused(head, 400, "a second Content-Length (RFC 9112 6.3)");
	if (!http1_decimal(value, &head->content_length))
		return http1_refused(head, 400, "a Content-Length that is no number below 2^63 (RFC 9110 8.6)");
	head->has_length = true;
	return 0;
}

static int read_coding(struct http1_head *head, struct http1_span value, struct facts *facts)
{
	struct http1_span rest = value, coding, last = {};
	unsigned int chunked = 0, others = 0;

	if (facts->codings++)
		return http1_refused(head, 400, "a second Transfer-Encoding (RFC 9112 6.1)");
	if (http1_equal_nocase(value, HTTP1_SPAN("chunked")))
		return 0;
	while (http1_list_next(&rest, &coding)) {
		if (http1_equal_nocase(coding, HTTP1_SPAN("chunked")))
			chunked++;
		else if (http1_prefix(coding.at, coding.length, HTTP1_TOKEN) == coding.length)
			others++;
		else
			return http1_refused(head, 400, "a Transfer-Encoding with parameters (RFC 9112 7)");
		last = coding;
	}
	if (chunked == 1 && others && http1_equal_nocase(last, HTTP1_SPAN("chunked")))
		return http1_refused(head, 501, "a transfer coding other than chunked (RFC 9112 6.1)");
	return http1_refused(head, 400, "a Transfer-Encoding that is not just chunked (RFC 9112 6.3)");
}

static int read_connection(struct http1_head *head, struct http1_span value, struct facts *facts)
{
	struct http1_span option;

	while (http1_list_next(&value, &option)) {
		if (http1_prefix(option.at, option.length, HTTP1_TOKEN) != option.length)
			return http1_refused(head, 400, "a Connection that is no list of names (RFC 9110 7.6.1)");
		if (head->option_count == HTTP1_MAX_OPTIONS)
			return http1_refused(head, 400, "a Connection with too many names (RFC 9110 7.6.1)");
		head->options[head->option_count++] =
		    (struct http1_option){ .at = option.at - head->text, .length = option.length };
		facts->close |= http1_equal_nocase(option, HTTP1_SPAN("close"));
		facts->keep_alive |= http1_equal_nocase(option, HTTP1_SPAN("keep-alive"));
		facts->upgrade |= http1_equal_nocase(option, HTTP1_SPAN("upgrade"));
	}
	return 0;
}

static int read_field(struct http1_head *head, const struct http1_field *field, struct facts *facts)
{
	struct http1_span value = http1_field_value(head, field), element;

	if (field->odd)
		return 0;
	switch (field->id) {
	case HTTP1_CONTENT_LENGTH:
		return read_length(head, value, facts);
	case HTTP1_TRANSFER_ENCODING:
		return read_coding(head, value, facts);
	case HTTP1_CONNECTION:
		return read_connection(head, value, facts);
	case HTTP1_HOST:
		facts->hosts++;
		head->host = value;
		return 0;
	case HTTP1_UPGRADE:
		while (http1_list_next(&value, &element)) {
			facts->h2c |= http1_equal_nocase(element, HTTP1_SPAN("h2c"));
			facts->websocket |= http1_equal_nocase(element, HTTP1_SPAN("websocket"));
		}
		return 0;
	case HTTP1_EXPECT:
		while (http1_list_next(&value, &element)) {
			bool expect = http1_equal_nocase(element, HTTP1_SPAN("100-continue"));

			head->expect |= expect;
			facts->other_expectation |= !expect;
		}
		return 0;
	default:
		return 0;
	}
}

/* Reads all fields, and finds where the body ends, RFC 9112 6.3. For a request; an answer has exceptions. */
static int read_fields(struct http1_head *head, struct facts *facts)
{
	for (unsigned int i = 0; i < head->count; i++) {
		const struct http1_field *field = &head->fields[i];
		int status = field->id ? read_field(head, field, facts) : 0;

		if (status)
			return status;
	}
	if (facts->codings && facts->lengths)
		return http1_refused(head, 400, "Content-Length beside Transfer-Encoding (RFC 9112 6.1)");
	if (facts->codings && !head->minor)
		return http1_refused(head, 400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)");
	if (facts->codings)
		head->framing = HTTP1_CHUNKED;
	else if (facts->lengths)
		head->framing = HTTP1_LENGTH;
	head->keep = !facts->close && (head->minor || facts->keep_alive);
	return 0;
}

/* The absolute form, RFC 9112 3.2.2: what is behind the authority goes on; the authority must be that of Host. */
static int read_absolute(struct http1_head *head, const struct http1_host *host, bool secure)
{
	static const struct http1_span schemes[] = { { "http://", 7 }, { "https://", 8 } };
	struct http1_span rest = head->target;
	struct http1_host target;
	size_t length = 0;
	unsigned int s = 0;

	while (s < 2 && (rest.length < schemes[s].length ||
			 !http1_equal_nocase((struct http1_span){ rest.at, schemes[s].length }, schemes[s])))
		s++;
	if (s == 2)
		return http1_refused(head, 400, "a request target in no form that fits (RFC 9112 3.2)");
	rest.at += schemes[s].length;
	rest.length -= schemes[s].length;
	while (length < rest.length && rest.at[length] != '/' && rest.at[length] != '?')
		length++;
	if (!http1_host_parse((struct http1_span){ rest.at, length }, &target))
		return http1_refused(head, 400, "a request target with an invalid host (RFC 9110 4.2.1)");
	if (!http1_host_equal(&target, host, s ? 443 : 80))
		return http1_refused(head, 400, "a request target whose host is not that of Host (RFC 9112 3.2.2)");
	if (secure != (s == 1))
		return http1_refused(head, 421, "a request target of another scheme (RFC 9110 7.4)");
	head->path = (struct http1_span){ rest.at + length, rest.length - length };
	if (!head->path.length && http1_equal(head->method, HTTP1_SPAN("OPTIONS")))
		head->path = HTTP1_SPAN("*"); /* RFC 9112 3.2.4 */
	else
		head->slash = !head->path.length || *head->path.at == '?';
	return 0;
}

/* For whom the request is: RFC 9112 3.2 and 3.3, RFC 9110 7.2. */
static int read_target(struct http1_head *head, const struct facts *facts, bool secure)
{
	struct http1_host host;

	if (facts->hosts != 1)
		return http1_refused(head, 400,
				     facts->hosts ? "a second Host (RFC 9112 3.2)" : "no Host (RFC 9112 3.2)");
	if (!http1_host_parse(head->host, &host))
		return http1_refused(head, 400, "an invalid Host (RFC 9112 3.2)");
	head->path = head->target;
	if (*head->target.at == '/')
		return 0;
	if (http1_equal(head->target, HTTP1_SPAN("*"))) {
		if (http1_equal(head->method, HTTP1_SPAN("OPTIONS")))
			return 0;
		return http1_refused(head, 400, "the target * without OPTIONS (RFC 9112 3.2.4)");
	}
	return read_absolute(head, &host, secure);
}

int http1_request_meaning(struct http1_head *head, const struct http1_limits *limits, bool secure)
{
	struct facts facts = {};
	int status;

	/* CONNECT is for forward proxies; PRI begins HTTP/2 (RFC 9113 3.4) and is no method. */
	if (http1_equal(head->method, HTTP1_SPAN("CONNECT")) || http1_equal(head->method, HTTP1_SPAN("PRI")))
		return http1_refused(head, 501, "a method that is not implemented (RFC 9110 9.1)");
	status = read_fields(head, &facts);
	if (!status)
		status = read_target(head, &facts, secure);
	if (status)
		return status;
	if (head->framing == HTTP1_LENGTH && head->content_length > limits->body)
		return http1_refused(head, 413, "a body that is too large (RFC 9110 15.5.14)");
	if (facts.other_expectation)
		return http1_refused(head, 417, "an expectation other than 100-continue (RFC 9110 10.1.1)");
	if (head->minor && facts.h2c)
		return http1_refused(head, 501, "Upgrade to h2c (RFC 9113 3.1)");
	/* An HTTP/1.0 client expects nothing and upgrades to nothing: RFC 9110 7.8 and 10.1.1. */
	head->expect = head->expect && head->minor &&
		       (head->framing == HTTP1_CHUNKED || (head->framing == HTTP1_LENGTH && head->content_length));
	head->upgrade = head->minor && facts.websocket && facts.upgrade &&
			http1_equal(head->method, HTTP1_SPAN("GET")); /* RFC 6455 4.1 */
	if (head->upgrade && (head->framing == HTTP1_CHUNKED || head->content_length))
		return http1_refused(head, 400, "Upgrade with a body (RFC 6455 4.1)");
	return 0;
}

struct http1_asked http1_asked(const struct http1_head *request)
{
	return (struct http1_asked){
		.head = http1_equal(request->method, HTTP1_SPAN("HEAD")),
		.upgrade = request->upgrade,
		.keep = request->keep,
		.minor = request->minor,
	};
}

int http1_answer_meaning(struct http1_head *head, const struct http1_asked *asked)
{
	struct facts facts = {};

	if (read_fields(head, &facts))
		return 502;
	head->upgrade = facts.websocket && facts.upgrade;
	if (head->status == 101) {
		if (!asked->upgrade || !head->upgrade)
			return http1_refused(head, 502, "a 101 that no request asked for (RFC 9110 15.2.2)");
		head->framing = HTTP1_SWITCHED;
	} else if (asked->head || head->status < 200 || head->status == 204 || head->status == 304) {
		head->framing = HTTP1_NO_BODY;
	} else if (head->framing == HTTP1_NO_BODY) {
		head->framing = HTTP1_UNTIL_CLOSE;
	}
	/* RFC 9110 8.6: neither a 1xx nor a 204 has one. */
	if (head->status < 200 || head->status == 204)
		head->has_length = false;
	if (head->framing == HTTP1_UNTIL_CLOSE || head->framing == HTTP1_SWITCHED)
		head->keep = false;
	return 0;
}
