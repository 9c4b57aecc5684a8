/* SPDX-License-Identifier: BSD-2-Clause */
/* One request and its answer. Between exchanges a client's connection holds none, so that an idle one costs little. */
#ifndef PROXY_HTTP_EXCHANGE_H
#define PROXY_HTTP_EXCHANGE_H

#include "proxy/http1_to_client.h"
#include "proxy/http_half.h"

struct http_exchange {
	struct http_exchange *next;
	struct http_half request, answer;
	struct http1_asked asked;
	struct http1_reply reply;
	uint64_t affinity;    /* of the client, 0: none */
	bool newcomer;	      /* it is to be told that by a cookie */
	uint32_t service;     /* whose instances may be asked */
	struct buffer *note;  /* a struct http_log_note for the access log, until it is written; NULL: none */
	struct http1_span rest; /* of a page, the body of the worker's own answer: not yet written */
	int64_t came_ms;      /* the request's first byte */
	int status;	      /* of the answer, when its head was written; 0: not yet */
	uint64_t sent, heads; /* bytes given to the client; and of heads that were written for it */
	bool idempotent;      /* the method is, RFC 9110 9.2.2 */
	bool retried;	      /* it was sent to an instance before */
	bool reached;	      /* there is an instance for it, or is about to be */
	bool halted;	      /* nothing more of the request goes to an instance */
	bool heard;	      /* something of an answer has come */
	bool told;	      /* the client may have something of the final answer */
	bool own;	      /* the answer is the worker's own */
	bool switched;	      /* the answer is a 101 */
};

/* Kept for the next one. Zeroed is empty. */
struct http_exchanges {
	struct http_exchange *free;
	unsigned int free_count;
};

/* NULL: no memory. */
struct http_exchange *http_exchanges_take(struct http_exchanges *exchanges);

/* With its buffers. */
void http_exchanges_give(struct http_exchanges *exchanges, struct http_exchange *exchange, struct buffers *buffers);

void http_exchanges_drain(struct http_exchanges *exchanges);

/* Ready for the next request, of which something may have come. False: no memory. */
bool http_exchange_begin(struct http_exchange *exchange, struct buffers *buffers, const struct http1_limits *limits,
			 bool secure);

/* May the request be sent to another instance, now that the one that it was sent to is gone? RFC 9110 9.2.2. */
bool http_exchange_may_retry(const struct http_exchange *exchange);

/*
 * How many seconds an instance keeps a connection without a request, as its Keep-Alive says (RFC 2068 19.7.1.1); -1: it
 * does not.
 */
int http_exchange_keep_alive(const struct http_exchange *exchange);

#endif
