/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One direction of an exchange: what comes from one side is parsed and written anew for the other. At most three
 * buffers are held: the text of the head that is coming, what came and could not be sent yet, and what was written
 * anew.
 */
#ifndef PROXY_HTTP_HALF_H
#define PROXY_HTTP_HALF_H

#include "proxy/buffers.h"
#include "proxy/http1_message.h"
#include "proxy/side.h"

struct http_half {
	struct http1_parser parser;
	struct buffer *head;	    /* the text of parser.head; NULL: no longer needed */
	struct buffer *out;	    /* written anew; sent before what goes through */
	struct buffer *in;	    /* what came: first `through` bytes, then what is not parsed yet */
	unsigned int through;	    /* bytes of content that go on as they are */
	enum http1_framing framing; /* of what goes out; to be set when the head is there */
	bool begun;		    /* the head is there */
	bool ended;		    /* the message is */
	bool blocked;		    /* the other side takes no more for now */
	bool offered;		    /* what is pending is to be offered again: OpenSSL may have begun a record of it */
	/*
	 * Everything sent so far is still in `out`, which can be sent again. Set by the owner; ends with the first
	 * byte that is not kept.
	 */
	bool whole;
};

/* Before each message. What came already (`in`) stays. False: no memory. */
bool http_half_begin_request(struct http_half *half, struct buffers *buffers, const struct http1_limits *limits,
			     bool secure);
bool http_half_begin_answer(struct http_half *half, struct buffers *buffers, const struct http1_asked *asked);

/* Gives back what holds the head's text: of the head nothing but numbers is looked at any more. */
void http_half_drop_head(struct http_half *half, struct buffers *buffers);

/* Gives back all buffers but `in`. */
void http_half_reset(struct http_half *half, struct buffers *buffers);
void http_half_drop_input(struct http_half *half, struct buffers *buffers);

/* Gives back what was not sent; what is not parsed yet stays. */
void http_half_discard(struct http_half *half, struct buffers *buffers);

/* As side_read(), into `in`, which must be NULL; it stays so when nothing came. */
ssize_t http_half_read(struct http_half *half, struct buffers *buffers, struct side *from);

/*
 * The next event of what came. Content has been dealt with then, and the end too. HTTP1_MORE: there is none before more
 * was read, or sent. Without memory it is HTTP1_FAILED with the status 503.
 */
struct http1_event http_half_next(struct http_half *half, struct buffers *buffers);

/* The source has ended. As http1_end_of_input(). */
enum http1_kind http_half_end(struct http_half *half, struct buffers *buffers);

/* Where a head can be written, and how many bytes beside what the end of a body needs. NULL: no memory. */
char *http_half_room(struct http_half *half, struct buffers *buffers, size_t *ret);

/* So much was. */
void http_half_wrote(struct http_half *half, size_t size);

/* Is there something to send? */
bool http_half_pending(const struct http_half *half);

/* Sends it. 0: all; -EAGAIN: not yet; or -errno when the other side is broken. *total grows by what was sent. */
int http_half_send(struct http_half *half, struct buffers *buffers, struct side *to, __u64 *total);

/* What was sent will be sent again. */
void http_half_rewind(struct http_half *half);

#endif
