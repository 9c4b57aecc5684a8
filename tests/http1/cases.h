/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the HTTP/1 core: what comes, what goes on, and what is answered otherwise, each with the section that
 * says so. The unit test runs it in every cutting; the driver prints it as JSON for tests over sockets and against
 * Node.
 */
#ifndef CASES_H
#define CASES_H

#include "trip.h"

struct http1_case {
	const char *what, *section;
	/* The status that refuses it, and the state in which the stream leaves the connection. */
	int status;
	enum trip_state state;
	const char *bytes;
	size_t length;
	/* trip.text: exactly the heads as written, the decoded bodies, END behind each complete message. */
	const char *sees;
	size_t sees_length;
	struct trip_settings settings;
};

#define CASE(section, status, state, what, bytes, sees, ...)                                                           \
	{                                                                                                              \
		what, section, status, state, bytes, sizeof(bytes) - 1, sees, sizeof(sees) - 1,                        \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

/* It goes on, and the connection waits for the next message. */
#define PASSES(section, what, bytes, sees, ...) CASE(section, 0, TRIP_BETWEEN, what, bytes, sees, __VA_ARGS__)
/* It goes on as the connection's last. */
#define LAST(section, what, bytes, sees, ...) CASE(section, 0, TRIP_CLOSED, what, bytes, sees, __VA_ARGS__)
/* It goes on, and what follows belongs to the answer's choice. */
#define HOLDS(section, what, bytes, sees, ...) CASE(section, 0, TRIP_HELD, what, bytes, sees, __VA_ARGS__)
/* More must come. */
#define WAITS(section, what, bytes, sees, ...) CASE(section, 0, TRIP_WITHIN, what, bytes, sees, __VA_ARGS__)
/* Nothing goes on. */
#define REFUSED(section, status, what, bytes, ...) CASE(section, status, TRIP_FAILED, what, bytes, "", __VA_ARGS__)
/* Something had gone on. */
#define PARTLY(section, status, what, bytes, sees, ...)                                                                \
	CASE(section, status, TRIP_FAILED, what, bytes, sees, __VA_ARGS__)

#define END  TRIP_END
#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: h\r\n"
#define TE   "Transfer-Encoding: chunked\r\n"

/* What the proxy puts first into the head of a request: for a client 192.0.2.7 that came to port 80 without TLS. */
#define OURS_OF(host, host_quoted)                                                                                     \
	"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " host                             \
	"\r\nX-Forwarded-Port: 80\r\nX-Real-IP: 192.0.2.7\r\nForwarded: for=192.0.2.7;host=" host_quoted               \
	";proto=http\r\nHost: " host "\r\n"
#define OURS OURS_OF("h", "h")

/* And last. */
#define VIA "Via: 1.1 rcxlb\r\n"

/* A request as the instance sees it; and one of an HTTP/1.0 client. */
#define SEEN(line, fields)    line " HTTP/1.1\r\n" OURS fields VIA "\r\n"
#define SEEN_10(line, fields) line " HTTP/1.1\r\n" OURS fields "Via: 1.0 rcxlb\r\n\r\n"

#define X4(s)	 s s s s
#define X16(s)	 X4(X4(s))
#define X64(s)	 X16(X4(s))
#define X256(s)	 X16(X16(s))
#define X1024(s) X256(X4(s))

/* What the rows with .set have set. */
static const struct http1_header http1_case_set[] = { { { "X-Site", 6 }, { "ours", 4 } } };

/* clang-format off */
static const struct http1_case http1_request_cases[] = {
#include "requests.h"
#include "bodies.h"
#include "forwarding.h"
};

static const struct http1_case http1_answer_cases[] = {
#include "answers.h"
};
/* clang-format on */

#endif
