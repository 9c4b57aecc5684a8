// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_to_client.h"

#include "proxy/http1_date.h"

struct http1_reply http1_reply_to(const struct http1_head *answer, const struct http1_asked *asked, bool close)
{
	struct http1_reply reply = { .framing = answer->framing, .keep = asked->keep && !close };

	if (reply.framing == HTTP1_CHUNKED || reply.framing == HTTP1_UNTIL_CLOSE)
		reply.framing = asked->minor ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
	if (reply.framing == HTTP1_UNTIL_CLOSE || reply.framing == HTTP1_SWITCHED)
		reply.keep = false;
	return reply;
}

static bool goes_on(const struct http1_field *field)
{
	return !http1_name_is_hop(field->id);
}

static void put_status_line(struct http1_out *out, const struct http1_head *answer)
{
	HTTP1_PUT(out, "HTTP/1.1 ");
	http1_put_decimal(out, answer->status);
	HTTP1_PUT(out, " ");
	http1_put(out, answer->reason);
	HTTP1_PUT(out, "\r\n");
}

static bool has_date(const struct http1_head *answer)
{
	for (unsigned int i = 0; i < answer->count; i++)
		if (http1_equal_nocase(http1_field_name(answer, &answer->fields[i]), HTTP1_SPAN("Date")))
			return true;
	return false;
}

ssize_t http1_to_client(const struct http1_head *answer, const struct http1_asked *asked,
			const struct http1_reply *reply, const struct http1_header *set, size_t set_count, char *to,
			size_t room)
{
	bool upgrade = answer->upgrade && (answer->status == 101 || answer->status == 426);
	struct http1_out out = { to, to + room, false };

	put_status_line(&out, answer);
	if (upgrade)
		http1_put(&out, reply->keep || answer->status == 101 ? HTTP1_SPAN("Connection: upgrade\r\n")
								     : HTTP1_SPAN("Connection: close, upgrade\r\n"));
	else if (!reply->keep)
		HTTP1_PUT(&out, "Connection: close\r\n");
	else if (!asked->minor)
		HTTP1_PUT(&out, "Connection: keep-alive\r\n"); /* RFC 9112 C.2.2 */
	if (upgrade)
		HTTP1_PUT(&out, "Upgrade: websocket\r\n");
	if (reply->framing == HTTP1_CHUNKED) {
		HTTP1_PUT(&out, "Transfer-Encoding: chunked\r\n");
	} else if (answer->has_length) {
		HTTP1_PUT(&out, "Content-Length: ");
		http1_put_decimal(&out, answer->content_length);
		HTTP1_PUT(&out, "\r\n");
	}
	http1_put_rest(&out, answer, set, set_count, goes_on);
	if (answer->status != 101 && !has_date(answer))
		http1_put_date(&out, reply->date);
	HTTP1_PUT(&out, "\r\n");
	return http1_written(&out, to);
}

ssize_t http1_interim_to_client(const struct http1_head *answer, const struct http1_asked *asked, char *to, size_t room)
{
	struct http1_out out = { to, to + room, false };

	if (!asked->minor)
		return 0;
	put_status_line(&out, answer);
	http1_put_rest(&out, answer, NULL, 0, goes_on);
	HTTP1_PUT(&out, "\r\n");
	return http1_written(&out, to);
}
