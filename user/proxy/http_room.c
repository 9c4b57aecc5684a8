// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_room.h"

#include "proxy/clock.h"
#include "proxy/http_conversation.h"

/* That somebody is given before he has to go. */
static const int64_t grace_ms[HTTP_PLACES] = {
	[HTTP_PLACE_IDLE] = 1000, /* a client that had its answer so lately may be about to ask again */
	[HTTP_PLACE_HEAD] = 1000, /* a head is one packet, seldom a few */
	[HTTP_PLACE_BODY] = 5000, /* uploads by radio stop for seconds */
};

void http_room_init(struct http_room *room)
{
	for (int place = 0; place < HTTP_PLACES; place++)
		TAILQ_INIT(&room->line[place]);
}

static bool sends_body(const struct http_exchange *x)
{
	return !x->request.ended && !x->halted && !http_half_pending(&x->request) && !x->answer.begun;
}

static enum http_place place_of(const struct http_conversation *c)
{
	switch (c->state) {
	case HTTP_AWAITING:
	case HTTP_LINGERING:
		return HTTP_PLACE_IDLE;
	case HTTP_READING:
		return HTTP_PLACE_HEAD;
	case HTTP_TALKING:
		return sends_body(c->exchange) ? HTTP_PLACE_BODY : HTTP_PLACE_NONE;
	default:
		return HTTP_PLACE_NONE;
	}
}

void http_room_place(struct http_conversation *c)
{
	enum http_place place = place_of(c);
	int64_t since = place == HTTP_PLACE_BODY ? c->moved_ms : c->since_ms;

	if (place == c->place && since == c->waits_since_ms)
		return;
	http_room_leave(c);
	c->place = place;
	c->waits_since_ms = since;
	if (place)
		TAILQ_INSERT_TAIL(&c->shared->waiting.line[place], c, line);
}

void http_room_leave(struct http_conversation *c)
{
	if (c->place)
		TAILQ_REMOVE(&c->shared->waiting.line[c->place], c, line);
	c->place = HTTP_PLACE_NONE;
}

struct http_conversation *http_room_first(const struct http_room *room)
{
	int64_t now = clock_ms();

	for (int place = HTTP_PLACE_IDLE; place < HTTP_PLACES; place++) {
		struct http_conversation *first = TAILQ_FIRST(&room->line[place]);

		if (first && now - first->waits_since_ms >= grace_ms[place])
			return first;
	}
	return NULL;
}
