// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_half.h"

#include <errno.h>
#include <string.h>

#include "proxy/http1_write.h"

/* A chunk's head and tail, and the last chunk: what a piece of content needs beside itself. */
#define CHUNK_MORE (HTTP1_CHUNK_ROOM + sizeof(HTTP1_CHUNK_TAIL) - 1 + sizeof(HTTP1_LAST_CHUNK) - 1)

static void give(struct buffers *buffers, struct buffer **buffer)
{
	if (*buffer)
		buffers_give(buffers, *buffer);
	*buffer = NULL;
}

static bool begin(struct http_half *half, struct buffers *buffers)
{
	http_half_reset(half, buffers);
	half->head = buffers_take(buffers);
	return half->head;
}

bool http_half_begin_request(struct http_half *half, struct buffers *buffers, const struct http1_limits *limits,
			     bool secure)
{
	if (!begin(half, buffers))
		return false;
	http1_requests_init(&half->parser, (char *)half->head->bytes, limits, secure);
	return true;
}

bool http_half_begin_answer(struct http_half *half, struct buffers *buffers, const struct http1_asked *asked)
{
	if (!begin(half, buffers))
		return false;
	http1_answers_init(&half->parser, (char *)half->head->bytes, &http1_default_limits);
	http1_answer_expect(&half->parser, asked);
	return true;
}

void http_half_drop_head(struct http_half *half, struct buffers *buffers)
{
	give(buffers, &half->head);
}

void http_half_reset(struct http_half *half, struct buffers *buffers)
{
	give(buffers, &half->head);
	give(buffers, &half->out);
	half->through = 0;
	half->begun = half->ended = half->blocked = half->offered = half->whole = false;
}

void http_half_drop_input(struct http_half *half, struct buffers *buffers)
{
	give(buffers, &half->in);
	half->through = 0;
}

void http_half_discard(struct http_half *half, struct buffers *buffers)
{
	give(buffers, &half->out);
	half->whole = false;
	if (!half->in)
		return;
	half->in->start += half->through;
	half->through = 0;
	if (half->in->start == half->in->end)
		give(buffers, &half->in);
}

ssize_t http_half_read(struct http_half *half, struct buffers *buffers, struct side *from)
{
	ssize_t n;

	half->in = buffers_take(buffers);
	if (!half->in)
		return -ENOMEM;
	n = side_read(from, half->in->bytes, BUFFER_SIZE);
	if (n > 0)
		half->in->end = (unsigned int)n;
	else
		give(buffers, &half->in);
	return n;
}

/* Content that comes in one piece and goes out so need not be copied. */
static bool goes_through(const struct http_half *half)
{
	return half->begun && half->framing != HTTP1_CHUNKED && half->parser.head.framing != HTTP1_CHUNKED;
}

static size_t room(const struct http_half *half)
{
	return half->out ? BUFFER_SIZE - half->out->end : BUFFER_SIZE;
}

char *http_half_room(struct http_half *half, struct buffers *buffers, size_t *ret)
{
	if (!half->out)
		half->out = buffers_take(buffers);
	*ret = half->out && room(half) > CHUNK_MORE ? room(half) - CHUNK_MORE : 0;
	return half->out ? (char *)half->out->bytes + half->out->end : NULL;
}

void http_half_wrote(struct http_half *half, size_t size)
{
	half->out->end += (unsigned int)size;
}

/* What is sent is kept until there is no room for what follows. */
static void recycle(struct http_half *half)
{
	if (!half->out || half->out->start < half->out->end || (half->whole && room(half) > CHUNK_MORE))
		return;
	half->whole = false;
	half->out->start = half->out->end = 0;
}

static void put(struct http_half *half, struct http1_span text)
{
	memcpy(half->out->bytes + half->out->end, text.at, text.length);
	half->out->end += (unsigned int)text.length;
}

/* The room for it was made sure of. False: no memory. */
static bool copy(struct http_half *half, struct buffers *buffers, struct http1_span content)
{
	size_t size;
	char *to = http_half_room(half, buffers, &size);

	if (!to)
		return false;
	if (half->framing == HTTP1_CHUNKED)
		http_half_wrote(half, http1_chunk_head(content.length, to));
	put(half, content);
	if (half->framing == HTTP1_CHUNKED)
		put(half, HTTP1_SPAN(HTTP1_CHUNK_TAIL));
	return true;
}

static bool end(struct http_half *half, struct buffers *buffers)
{
	size_t size;

	half->ended = true;
	if (!half->begun || half->framing != HTTP1_CHUNKED)
		return true;
	if (!http_half_room(half, buffers, &size))
		return false;
	put(half, HTTP1_SPAN(HTTP1_LAST_CHUNK));
	return true;
}

static struct http1_event no_memory(struct http_half *half)
{
	half->parser.status = 503;
	half->parser.why = "no memory";
	return (struct http1_event){ .kind = HTTP1_FAILED };
}

/* What is to be parsed next: of content, as much as can be written. */
static struct http1_span unparsed(const struct http_half *half)
{
	struct http1_span span = { NULL, 0 };

	if (half->in) {
		span.at = (const char *)half->in->bytes + half->in->start + half->through;
		span.length = half->in->end - half->in->start - half->through;
	}
	if (half->begun && !goes_through(half) && span.length > room(half) - CHUNK_MORE)
		span.length = room(half) - CHUNK_MORE;
	return span;
}

static bool take_content(struct http_half *half, struct buffers *buffers, const struct http1_event *event)
{
	bool pending = half->out && half->out->start < half->out->end;

	/* Behind its head it is copied if it fits: a buffer costs less to copy than another call of the kernel. */
	if (goes_through(half) && (half->through || !pending || event->used > room(half))) {
		half->through += (unsigned int)event->used;
		return true;
	}
	half->in->start += (unsigned int)event->used;
	return copy(half, buffers, event->body);
}

struct http1_event http_half_next(struct http_half *half, struct buffers *buffers)
{
	struct http1_event event = { .kind = HTTP1_MORE };
	struct http1_span input;
	bool taken = true;

	recycle(half);
	if (half->begun && !goes_through(half) && room(half) <= CHUNK_MORE)
		return event;
	input = unparsed(half);
	event = http1_next(&half->parser, input.at, input.length);
	if (event.kind == HTTP1_BODY)
		taken = take_content(half, buffers, &event);
	else if (event.used)
		half->in->start += (unsigned int)event.used;
	if (event.kind == HTTP1_HEAD)
		half->begun = true;
	else if (event.kind == HTTP1_END)
		taken = end(half, buffers);
	if (half->in && half->in->start == half->in->end)
		give(buffers, &half->in);
	return taken ? event : no_memory(half);
}

enum http1_kind http_half_end(struct http_half *half, struct buffers *buffers)
{
	enum http1_kind kind = http1_end_of_input(&half->parser);

	recycle(half);
	if (kind == HTTP1_END && !end(half, buffers))
		return HTTP1_FAILED;
	return kind;
}

bool http_half_pending(const struct http_half *half)
{
	return half->through || (half->out && half->out->start < half->out->end);
}

static int send_from(struct http_half *half, struct buffer *buffer, unsigned int size, struct side *to, __u64 *total)
{
	while (size) {
		ssize_t n = side_write(to, buffer->bytes + buffer->start, size);

		if (n < 0) {
			half->blocked = half->offered = n == -EAGAIN;
			return (int)n;
		}
		buffer->start += (unsigned int)n;
		size -= (unsigned int)n;
		*total += (uint64_t)n;
	}
	return 0;
}

int http_half_send(struct http_half *half, struct buffers *buffers, struct side *to, __u64 *total)
{
	int err = 0;

	if (half->blocked)
		return -EAGAIN;
	if (half->out)
		err = send_from(half, half->out, half->out->end - half->out->start, to, total);
	if (err)
		return err;
	if (half->through) {
		unsigned int before = half->in->start;

		half->whole = false;
		err = send_from(half, half->in, half->through, to, total);
		half->through -= half->in->start - before;
		if (half->in->start == half->in->end)
			give(buffers, &half->in);
	}
	if (err)
		return err;
	half->offered = false;
	if (!half->whole)
		give(buffers, &half->out);
	return 0;
}

void http_half_rewind(struct http_half *half)
{
	half->out->start = 0;
	half->blocked = false;
}
