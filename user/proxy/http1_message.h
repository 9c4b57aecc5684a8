/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1 messages out of a stream of bytes, RFC 9112: the requests of a client's connection, or the answers of an
 * instance's. Bytes in, events out; any cutting of the stream into pieces gives the same events. No allocation, no
 *system call, no copy of a body.
 *
 *	http1_requests_init(&parser, head_buffer, &http1_default_limits, false);
 *	... with `length` bytes at `input`:
 *	do {
 *		event = http1_next(&parser, input, length);
 *		input += event.used, length -= event.used;
 *		switch (event.kind) ...
 *	} while (event.kind is a HEAD, an INTERIM, a BODY);
 *
 * After HTTP1_END the rest of the input is the next message, pipelined; a proxy answers one request before it asks for
 * the next event. A connection has one thread at a time; there is no lock.
 */
#ifndef PROXY_HTTP1_MESSAGE_H
#define PROXY_HTTP1_MESSAGE_H

#include "proxy/http1_chunked.h"
#include "proxy/http1_meaning.h"

enum http1_kind {
	HTTP1_MORE,    /* all input was taken, and the message goes on */
	HTTP1_HEAD,    /* parser.head is complete, and stays so until the event after HTTP1_END */
	HTTP1_INTERIM, /* the same of a 1xx other than 101: another head follows */
	HTTP1_BODY,    /* a piece of content, in the input: event.body */
	HTTP1_END,     /* the message is complete */
	/*
	 * The request before asked for websocket: what follows belongs to whom the answer says. After a 101 it is the
	 * tunnel's; after any other answer http1_resume() makes it the next request. Of an answer: a 101 came, and what
	 * follows is the tunnel's.
	 */
	HTTP1_HELD,
	HTTP1_CLOSED, /* the message before was the connection's last: what follows is none, RFC 9112 9.6 */
	HTTP1_FAILED, /* parser.status, parser.why; nothing more can be read: answer and close */
};

struct http1_event {
	enum http1_kind kind;
	size_t used; /* bytes of the input that are done with */
	struct http1_span body;
};

struct http1_parser {
	struct http1_limits limits;
	uint8_t state;
	bool secure;
	struct http1_asked asked; /* answers: by the request that the next one answers */
	uint64_t left;		  /* bytes of a body with Content-Length that are to come */
	struct http1_chunked chunked;
	struct http1_head head;
	int status;	 /* after HTTP1_FAILED. Requests: 400, 413, 414, 417, 421, 431, 501, 505. Answers: 502. */
	const char *why; /* a sentence with the RFC's section */
};

/*
 * `buffer` holds limits->head bytes, is the caller's, and must stay until the parser is no longer used. `secure`: the
 * connection is TLS, so an absolute target must be https.
 */
void http1_requests_init(struct http1_parser *parser, char *buffer, const struct http1_limits *limits, bool secure);

/* Bytes that come before http1_answer_expect() are answers to nothing: HTTP1_FAILED. */
void http1_answers_init(struct http1_parser *parser, char *buffer, const struct http1_limits *limits);

/* The request was sent whose answer comes next. Only between answers. */
void http1_answer_expect(struct http1_parser *parser, const struct http1_asked *asked);

/* The next event of the input. With HTTP1_MORE, HTTP1_CLOSED and HTTP1_HELD there is no other before more happens. */
struct http1_event http1_next(struct http1_parser *parser, const char *input, size_t length);

/* After HTTP1_HELD of a request: it was answered without a 101. */
void http1_resume(struct http1_parser *parser);

/*
 * The peer has sent its last byte. HTTP1_END: so ended an answer's body. HTTP1_CLOSED: between messages. HTTP1_FAILED:
 * a message was cut off (400, which a client will hardly read, or 502).
 */
enum http1_kind http1_end_of_input(struct http1_parser *parser);

#endif
