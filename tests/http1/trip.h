/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of bytes on its way through the HTTP/1 core, as a worker would send it: shared by the unit test, the fuzzer
 * and the driver of the differential test. Everything static, so that each of them is one source.
 */
#ifndef TRIP_H
#define TRIP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http1_message.h"
#include "proxy/http1_to_client.h"
#include "proxy/http1_to_instance.h"

struct trip_settings {
	bool answers; /* what comes are answers, else requests */
	/* Of requests. */
	bool trusted, secure, ipv6, close;
	const struct http1_header *set;
	size_t set_count;
	/* Of answers. */
	bool to_head, to_upgrade, to_http10, to_close;
	unsigned int asked; /* how many requests were sent; 0: one */
	/* 0: the default. */
	uint32_t head_limit;
	uint16_t fields_limit, target_limit;
	uint64_t body_limit;
};

/* Where the stream is cut into pieces: `first` bytes, then every `every` bytes. 0: not. */
struct trip_cut {
	size_t first, every;
};

struct trip_bytes {
	char *at;
	size_t length, room;
};

enum trip_state {
	TRIP_BETWEEN, /* no message is under way */
	TRIP_WITHIN,  /* a message is under way, and more must come */
	TRIP_HELD,
	TRIP_CLOSED,
	TRIP_FAILED,
};

/* Marks the end of a message in trip.text. */
#define TRIP_END "<end>"

/* Where a message lies in trip.text. An interim answer has one of its own, never complete. */
struct trip_mark {
	size_t head, body;
	bool complete;
};

struct trip {
	struct http1_parser parser;
	char head[HTTP1_MAX_HEAD];
	struct http1_asked asked;
	struct http1_reply reply;
	unsigned int expected;
	/* For each message its head as written, its content, and TRIP_END: the same however the stream is cut. */
	struct trip_bytes text;
	/* What goes over the wire. */
	struct trip_bytes wire;
	struct trip_mark *mark;
	unsigned int marks;
	enum trip_state state;
	int status;
	const char *why;
};

static inline void trip_append(struct trip_bytes *to, const char *at, size_t length)
{
	if (to->length + length > to->room) {
		to->room = (to->length + length) * 2;
		to->at = realloc(to->at, to->room);
		if (!to->at)
			abort();
	}
	if (length)
		memcpy(to->at + to->length, at, length);
	to->length += length;
}

static inline void trip_fail(struct trip *trip, int status, const char *why)
{
	trip->state = TRIP_FAILED;
	trip->status = status;
	trip->why = why;
}

static inline ssize_t trip_write_head(struct trip *trip, const struct trip_settings *settings, bool interim, char *to)
{
	const struct http1_head *head = &trip->parser.head;
	struct http1_arrival arrival = {
		.client = settings->ipv6 ? HTTP1_SPAN("2001:db8::7") : HTTP1_SPAN("192.0.2.7"),
		.port = settings->secure ? 443 : 80,
		.secure = settings->secure,
		.trusted = settings->trusted,
		.close = settings->close,
		.set = settings->set,
		.set_count = settings->set_count,
	};

	if (interim)
		return http1_interim_to_client(head, &trip->asked, to, HTTP1_HEAD_ROOM);
	if (!settings->answers)
		return http1_to_instance(head, &arrival, to, HTTP1_HEAD_ROOM);
	trip->reply = http1_reply_to(head, &trip->asked, false);
	return http1_to_client(head, &trip->asked, &trip->reply, settings->set, settings->set_count, to,
			       HTTP1_HEAD_ROOM);
}

static inline bool trip_chunked(const struct trip *trip, const struct trip_settings *settings)
{
	return (settings->answers ? trip->reply.framing : trip->parser.head.framing) == HTTP1_CHUNKED;
}

static inline void trip_body(struct trip *trip, const struct trip_settings *settings, struct http1_span body)
{
	char chunk[HTTP1_CHUNK_ROOM];

	trip_append(&trip->text, body.at, body.length);
	if (trip_chunked(trip, settings))
		trip_append(&trip->wire, chunk, http1_chunk_head(body.length, chunk));
	trip_append(&trip->wire, body.at, body.length);
	if (trip_chunked(trip, settings))
		trip_append(&trip->wire, HTTP1_CHUNK_TAIL, 2);
}

static inline void trip_end(struct trip *trip, const struct trip_settings *settings)
{
	trip_append(&trip->text, TRIP_END, sizeof(TRIP_END) - 1);
	if (trip_chunked(trip, settings))
		trip_append(&trip->wire, HTTP1_LAST_CHUNK, sizeof(HTTP1_LAST_CHUNK) - 1);
	trip->mark[trip->marks - 1].complete = true;
	trip->state = TRIP_BETWEEN;
	if (settings->answers && trip->expected) {
		trip->expected--;
		http1_answer_expect(&trip->parser, &trip->asked);
	}
}

static inline void trip_add_mark(struct trip *trip, size_t head)
{
	trip->mark = realloc(trip->mark, (trip->marks + 1) * sizeof(*trip->mark));
	if (!trip->mark)
		abort();
	trip->mark[trip->marks++] = (struct trip_mark){ trip->text.length, trip->text.length + head, false };
}

/* False when nothing more is to be had from this piece. */
static inline bool trip_event(struct trip *trip, const struct trip_settings *settings, const struct http1_event *event)
{
	char head[HTTP1_HEAD_ROOM];
	ssize_t length;

	switch (event->kind) {
	case HTTP1_HEAD:
	case HTTP1_INTERIM:
		length = trip_write_head(trip, settings, event->kind == HTTP1_INTERIM, head);
		if (length < 0) {
			trip_fail(trip, settings->answers ? 502 : 431, "it does not fit");
			return false;
		}
		trip->state = TRIP_WITHIN;
		if (!length)
			return true;
		trip_add_mark(trip, length);
		trip_append(&trip->text, head, length);
		trip_append(&trip->wire, head, length);
		return true;
	case HTTP1_BODY:
		trip_body(trip, settings, event->body);
		return true;
	case HTTP1_END:
		trip_end(trip, settings);
		return true;
	case HTTP1_HELD:
		trip->state = TRIP_HELD;
		return false;
	case HTTP1_CLOSED:
		trip->state = TRIP_CLOSED;
		return false;
	case HTTP1_FAILED:
		trip_fail(trip, trip->parser.status, trip->parser.why);
		return false;
	default:
		return false;
	}
}

/* One piece, in a block of its own: whoever reads past it or looks at it later is found by the sanitizer. */
static inline void trip_piece(struct trip *trip, const struct trip_settings *settings, const char *bytes, size_t length)
{
	char *piece = malloc(length);
	size_t at = 0;
	struct http1_event event;

	if (length && !piece)
		abort();
	if (length)
		memcpy(piece, bytes, length);
	do {
		event = http1_next(&trip->parser, piece + at, length - at);
		at += event.used;
		if (at > length)
			abort();
	} while (trip_event(trip, settings, &event));
	if (event.kind == HTTP1_MORE && at != length)
		abort();
	free(piece);
}

static inline void trip_free(struct trip *trip)
{
	free(trip->text.at);
	free(trip->wire.at);
	free(trip->mark);
	free(trip);
}

/* The whole way of a stream, and then its end. The caller frees the trip. */
static inline struct trip *trip_make(const struct trip_settings *settings, const char *bytes, size_t length,
				     struct trip_cut cut)
{
	struct trip *trip = calloc(1, sizeof(*trip));
	struct http1_limits limits = http1_default_limits;
	size_t at = 0, piece = cut.first ? cut.first : cut.every ? cut.every : length;

	if (!trip)
		abort();
	limits.head = settings->head_limit ? settings->head_limit : limits.head;
	limits.fields = settings->fields_limit ? settings->fields_limit : limits.fields;
	limits.target = settings->target_limit ? settings->target_limit : limits.target;
	limits.body = settings->body_limit ? settings->body_limit : limits.body;
	trip->asked = (struct http1_asked){
		.head = settings->to_head,
		.upgrade = settings->to_upgrade,
		.keep = !settings->to_close,
		.minor = settings->to_http10 ? 0 : 1,
	};
	if (settings->answers) {
		http1_answers_init(&trip->parser, trip->head, &limits);
		http1_answer_expect(&trip->parser, &trip->asked);
		trip->expected = settings->asked ? settings->asked - 1 : 0;
	} else {
		http1_requests_init(&trip->parser, trip->head, &limits, settings->secure);
	}
	while (at < length && trip->state != TRIP_FAILED) {
		piece = piece < length - at ? piece : length - at;
		trip_piece(trip, settings, bytes + at, piece);
		at += piece;
		piece = cut.every ? cut.every : length;
	}
	if (trip->state == TRIP_FAILED)
		return trip;
	switch (http1_end_of_input(&trip->parser)) {
	case HTTP1_END:
		trip_end(trip, settings);
		trip_piece(trip, settings, "", 0);
		break;
	case HTTP1_FAILED:
		trip->state = TRIP_WITHIN;
		trip->status = settings->answers ? trip->parser.status : 0;
		trip->why = trip->parser.why;
		break;
	default:
		break;
	}
	return trip;
}

#endif
