/* SPDX-License-Identifier: BSD-2-Clause */
/* The proxy's own answers: small and plain. Pure. */
#ifndef PROXY_HTTP1_ANSWER_H
#define PROXY_HTTP1_ANSWER_H

#include "proxy/http1_meaning.h"
#include "proxy/http1_write.h"

/* Enough for each of them. */
#define HTTP1_ANSWER_ROOM 512

struct http1_answer {
	/* 200, 400, 404, 408, 413, 414, 417, 421, 431, 501, 502, 503, 504 or 505; any other is sent as 500. */
	int status;
	unsigned int retry_after; /* seconds, RFC 9110 10.2.3; 0: not said */
	bool head;		  /* to HEAD: without the body */
	bool keep;		  /* the connection stays open. Never after HTTP1_FAILED. */
	bool http10;		  /* the client speaks HTTP/1.0, where keeping must be said */
	const char *type;	  /* of a body that is not written here but follows; NULL: it is the status, in words */
	size_t size;		  /* of that */
	int64_t date;		  /* when it is given, in seconds since 1970, RFC 9110 6.6.1; 0: not said */
};

/* Writes head and body, or the head of a body that follows. Returns the bytes written, or -ENOSPC. */
ssize_t http1_answer_write(const struct http1_answer *answer, char *to, size_t room);

/*
 * To the same place by https: 301 to GET and HEAD, else 308, which keeps the method and the body (RFC 9110 15.4.2 and
 * 15.4.9). The port is left out: it is the default one. `keep` and `date` as above. Returns the bytes written, or
 * -ENOSPC.
 */
ssize_t http1_redirect_write(const struct http1_head *request, bool keep, int64_t date, char *to, size_t room);

/* The status of that. */
int http1_redirect_status(const struct http1_head *request);

#endif
