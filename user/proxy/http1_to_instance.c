// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_to_instance.h"

#include <string.h>

/* The field that a trusted peer sent, if it sent exactly one that is not empty. */
static bool believed(const struct http1_head *request, enum http1_name name, struct http1_span *ret)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < request->count; i++) {
		const struct http1_field *field = &request->fields[i];

		if (field->id == name && !field->odd) {
			*ret = http1_field_value(request, field);
			found++;
		}
	}
	return found == 1 && ret->length;
}

/* Ours, or a trusted peer's. */
static void put_fact(struct http1_out *out, const struct http1_head *request, const struct http1_arrival *arrival,
		     enum http1_name id, struct http1_span name, struct http1_span ours)
{
	struct http1_span theirs = {};

	http1_put_field(out, name, arrival->trusted && believed(request, id, &theirs) ? theirs : ours);
}

/* No quoted string is left open (RFC 9110 5.6.4), in which what is written behind it would be lost. */
static bool quotes_closed(struct http1_span value)
{
	bool quoted = false;

	for (size_t i = 0; i < value.length; i++) {
		if (quoted && value.at[i] == '\\')
			i++;
		else if (value.at[i] == '"')
			quoted = !quoted;
	}
	return !quoted;
}

/* The elements that a trusted peer sent, each with a comma behind it. */
static void put_list(struct http1_out *out, const struct http1_head *request, const struct http1_arrival *arrival,
		     enum http1_name id)
{
	for (unsigned int i = 0; arrival->trusted && i < request->count; i++) {
		const struct http1_field *field = &request->fields[i];

		struct http1_span value = http1_field_value(request, field);

		if (field->id == id && !field->odd && value.length && quotes_closed(value)) {
			http1_put(out, value);
			HTTP1_PUT(out, ", ");
		}
	}
}

/* RFC 7239 4: an IPv6 address stands in brackets, and what has a colon in quotes. */
static void put_forwarded(struct http1_out *out, const struct http1_head *request, const struct http1_arrival *arrival)
{
	bool ipv6 = memchr(arrival->client.at, ':', arrival->client.length);
	bool quoted = memchr(request->host.at, ':', request->host.length);

	HTTP1_PUT(out, "Forwarded: ");
	put_list(out, request, arrival, HTTP1_FORWARDED);
	http1_put(out, ipv6 ? HTTP1_SPAN("for=\"[") : HTTP1_SPAN("for="));
	http1_put(out, arrival->client);
	http1_put(out, ipv6 ? HTTP1_SPAN("]\";host=") : HTTP1_SPAN(";host="));
	if (quoted)
		HTTP1_PUT(out, "\"");
	http1_put(out, request->host);
	if (quoted)
		HTTP1_PUT(out, "\"");
	http1_put(out, arrival->secure ? HTTP1_SPAN(";proto=https\r\n") : HTTP1_SPAN(";proto=http\r\n"));
}

static void put_forwarding(struct http1_out *out, const struct http1_head *request, const struct http1_arrival *arrival)
{
	char digits[5];
	struct http1_out port = { digits, digits + sizeof(digits), false };

	http1_put_decimal(&port, arrival->port);
	HTTP1_PUT(out, "X-Forwarded-For: ");
	put_list(out, request, arrival, HTTP1_X_FORWARDED_FOR);
	http1_put(out, arrival->client);
	HTTP1_PUT(out, "\r\n");
	put_fact(out, request, arrival, HTTP1_X_FORWARDED_PROTO, HTTP1_SPAN("X-Forwarded-Proto"),
		 arrival->secure ? HTTP1_SPAN("https") : HTTP1_SPAN("http"));
	put_fact(out, request, arrival, HTTP1_X_FORWARDED_HOST, HTTP1_SPAN("X-Forwarded-Host"), request->host);
	put_fact(out, request, arrival, HTTP1_X_FORWARDED_PORT, HTTP1_SPAN("X-Forwarded-Port"),
		 (struct http1_span){ digits, port.at - digits });
	put_fact(out, request, arrival, HTTP1_X_REAL_IP, HTTP1_SPAN("X-Real-IP"), arrival->client);
	put_forwarded(out, request, arrival);
}

/* All that the proxy understands is written anew. */
static bool goes_on(const struct http1_field *field)
{
	return field->id == HTTP1_OTHER || field->id == HTTP1_VIA;
}

/* A trusted peer may say more of the client than we do. */
static bool goes_on_trusted(const struct http1_field *field)
{
	return goes_on(field) || (field->id == HTTP1_X_FORWARDED_MORE && !field->odd);
}

ssize_t http1_to_instance(const struct http1_head *request, const struct http1_arrival *arrival, char *to, size_t room)
{
	struct http1_out out = { to, to + room, false };

	http1_put(&out, request->method);
	http1_put(&out, request->slash ? HTTP1_SPAN(" /") : HTTP1_SPAN(" "));
	http1_put(&out, request->path);
	HTTP1_PUT(&out, " HTTP/1.1\r\n");
	put_forwarding(&out, request, arrival);
	http1_put_field(&out, HTTP1_SPAN("Host"), request->host);
	if (request->framing == HTTP1_CHUNKED) {
		HTTP1_PUT(&out, "Transfer-Encoding: chunked\r\n");
	} else if (request->framing == HTTP1_LENGTH) {
		HTTP1_PUT(&out, "Content-Length: ");
		http1_put_decimal(&out, request->content_length);
		HTTP1_PUT(&out, "\r\n");
	}
	if (request->upgrade)
		HTTP1_PUT(&out, "Connection: upgrade\r\nUpgrade: websocket\r\n");
	else if (arrival->close)
		HTTP1_PUT(&out, "Connection: close\r\n");
	if (request->expect)
		HTTP1_PUT(&out, "Expect: 100-continue\r\n");
	http1_put_rest(&out, request, arrival->set, arrival->set_count, arrival->trusted ? goes_on_trusted : goes_on);
	/* Behind those that were there before, RFC 9110 7.6.3: a gateway must. */
	http1_put(&out, request->minor ? HTTP1_SPAN("Via: 1.1 rcxlb\r\n\r\n") : HTTP1_SPAN("Via: 1.0 rcxlb\r\n\r\n"));
	return http1_written(&out, to);
}
