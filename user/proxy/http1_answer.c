// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_answer.h"

#include <string.h>

#include "proxy/http1_date.h"
#include "proxy/http1_host.h"

struct phrase {
	int status;
	struct http1_span line;
};

#define LINE(text)                                                                                                     \
	{                                                                                                              \
		(text), sizeof(text) - 1                                                                               \
	}

/* RFC 9110 15, RFC 6585 5. */
static const struct phrase phrases[] = {
	{ 200, LINE("200 OK") },
	{ 400, LINE("400 Bad Request") },
	{ 404, LINE("404 Not Found") },
	{ 408, LINE("408 Request Timeout") },
	{ 413, LINE("413 Content Too Large") },
	{ 414, LINE("414 URI Too Long") },
	{ 417, LINE("417 Expectation Failed") },
	{ 421, LINE("421 Misdirected Request") },
	{ 431, LINE("431 Request Header Fields Too Large") },
	{ 501, LINE("501 Not Implemented") },
	{ 502, LINE("502 Bad Gateway") },
	{ 503, LINE("503 Service Unavailable") },
	{ 504, LINE("504 Gateway Timeout") },
	{ 505, LINE("505 HTTP Version Not Supported") },
	{ 500, LINE("500 Internal Server Error") },
};

ssize_t http1_answer_write(const struct http1_answer *answer, char *to, size_t room)
{
	struct http1_out out = { to, to + room, false };
	const struct phrase *phrase = phrases;
	const char *type = answer->type ? answer->type : "text/plain";

	while (phrase->status != answer->status && phrase->status != 500)
		phrase++;
	HTTP1_PUT(&out, "HTTP/1.1 ");
	http1_put(&out, phrase->line);
	/* 414 and 501 may be cached when nothing speaks against it, RFC 9110 15.1. */
	HTTP1_PUT(&out, "\r\nContent-Type: ");
	http1_put(&out, (struct http1_span){ type, strlen(type) });
	HTTP1_PUT(&out, "\r\nCache-Control: no-store\r\nContent-Length: ");
	http1_put_decimal(&out, answer->type ? answer->size : phrase->line.length + 1);
	HTTP1_PUT(&out, "\r\n");
	http1_put_date(&out, answer->date);
	if (answer->retry_after) {
		HTTP1_PUT(&out, "Retry-After: ");
		http1_put_decimal(&out, answer->retry_after);
		HTTP1_PUT(&out, "\r\n");
	}
	if (!answer->keep)
		HTTP1_PUT(&out, "Connection: close\r\n");
	else if (answer->http10)
		HTTP1_PUT(&out, "Connection: keep-alive\r\n");
	HTTP1_PUT(&out, "\r\n");
	if (!answer->head && !answer->type) {
		http1_put(&out, phrase->line);
		HTTP1_PUT(&out, "\n");
	}
	return http1_written(&out, to);
}

int http1_redirect_status(const struct http1_head *request)
{
	bool safe = http1_equal(request->method, HTTP1_SPAN("GET")) || http1_equal(request->method, HTTP1_SPAN("HEAD"));

	return safe ? 301 : 308;
}

ssize_t http1_redirect_write(const struct http1_head *request, bool keep, int64_t date, char *to, size_t room)
{
	struct http1_out out = { to, to + room, false };
	struct http1_host host = { .name = request->host };
	bool path = !http1_equal(request->path, HTTP1_SPAN("*"));

	http1_host_parse(request->host, &host);
	http1_put(&out, http1_redirect_status(request) == 301 ? HTTP1_SPAN("HTTP/1.1 301 Moved Permanently\r\n")
							      : HTTP1_SPAN("HTTP/1.1 308 Permanent Redirect\r\n"));
	HTTP1_PUT(&out, "Location: https://");
	http1_put(&out, host.name);
	if (request->slash || !path)
		HTTP1_PUT(&out, "/");
	if (path)
		http1_put(&out, request->path);
	HTTP1_PUT(&out, "\r\nContent-Length: 0\r\n");
	http1_put_date(&out, date);
	if (!keep)
		HTTP1_PUT(&out, "Connection: close\r\n");
	else if (!request->minor)
		HTTP1_PUT(&out, "Connection: keep-alive\r\n");
	HTTP1_PUT(&out, "\r\n");
	return http1_written(&out, to);
}
