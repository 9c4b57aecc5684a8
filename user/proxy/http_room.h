/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who makes room for another client when a worker is full. Conversations that wait for their client stand in lines, by
 * what is lost when they end; who waits for longest stands first. Who waits for an answer or reads one, and what became
 * a tunnel, stands in none.
 */
#ifndef PROXY_HTTP_ROOM_H
#define PROXY_HTTP_ROOM_H

#include <sys/queue.h>

struct http_conversation;
TAILQ_HEAD(http_line, http_conversation);

enum http_place {
	HTTP_PLACE_NONE,
	HTTP_PLACE_IDLE, /* between requests, or behind the last answer */
	HTTP_PLACE_HEAD, /* the head of a request is coming: by when it began */
	HTTP_PLACE_BODY, /* its body is, and nothing of an answer: by when the last byte came */
	HTTP_PLACES,
};

struct http_room {
	struct http_line line[HTTP_PLACES];
};

void http_room_init(struct http_room *room);

/* After each turn: where does it stand now? */
void http_room_place(struct http_conversation *conversation);

/* It ends. */
void http_room_leave(struct http_conversation *conversation);

/* Who is to end: the first of the first line in which somebody has waited for more than a moment; NULL: nobody. */
struct http_conversation *http_room_first(const struct http_room *room);

#endif
