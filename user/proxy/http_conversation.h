/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's connection to a service that parses HTTP: each request is parsed and written anew for an instance, each
 * answer for the client, one after the other (pipelined requests wait in the socket).
 *
 * An instance's connection belongs to one client's, whose address the kernel shows there. It is made when the head of a
 * request is there, kept between requests for less time than the instance would keep it, and made anew when it was
 * closed meanwhile. Client and instance are read into one buffer each, and not again before that is empty: who does not
 * read stops the other.
 */
#ifndef PROXY_HTTP_CONVERSATION_H
#define PROXY_HTTP_CONVERSATION_H

#include "proxy/http_room.h"
#include "proxy/http_service.h"
#include "proxy/reach.h"

#define HTTP_INSTANCE_MS                                                                                               \
	4000		   /* that an instance's connection is kept of which it says nothing: Node closes after 5 s */
#define HTTP_HURRY_MS 1000 /* so much before the instance would it is closed */

enum http_state {
	HTTP_BEGINNING,
	HTTP_AWAITING,	/* nothing of a request has come */
	HTTP_READING,	/* its head is coming */
	HTTP_SEEKING,	/* a certificate authority asks for something that may be in a folder in a moment */
	HTTP_REACHING,	/* it is to go to an instance that is being connected to */
	HTTP_PAUSING,	/* an instance is gone: another one is asked in a moment */
	HTTP_TALKING,	/* request and answer are on their way */
	HTTP_CLOSING,	/* everything was said, and the client is to be told so */
	HTTP_LINGERING, /* it was told; what still comes is dropped, so that no RST overtakes the answer */
	HTTP_OVER,
};

struct http_conversation {
	/* http_room.c */
	TAILQ_ENTRY(http_conversation) line;
	enum http_place place;
	int64_t waits_since_ms;
	/* The owner sets these. */
	struct connections *shared;
	struct worker_counters *counters;
	const struct http_service *service;
	const struct worker_client *who;
	struct reach *reach; /* `ended` of it leads to http_conversation_reached() */
	/*
	 * Called once, never from inside http_conversation_start(). `tunnel`: a 101 was passed on. Then both sides,
	 * unwatched, and `up` and `down` with what has come already are the callee's. Otherwise all is closed.
	 */
	void (*ended)(struct http_conversation *conversation, bool tunnel);
	struct side client;
	bool secure;

	struct side instance; /* fd -1: none */
	struct http_exchange *exchange;
	struct buffer *up, *down;
	struct event timer;
	int64_t now_ms, armed_ms; /* the timer runs until then; 0: it does not */
	int64_t since_ms;	  /* when the state began */
	int64_t moved_ms;	  /* when a byte was last moved */
	int64_t kept_for_ms;	  /* how long the instance's connection may be kept */
	int64_t instance_ms;	  /* when it will be closed, idle */
	uint64_t requests, dropped;
	unsigned int reads_left, exchanges_left; /* in this turn */
	unsigned int poll_ms;	 /* until the client is told the end, again */
	enum http_state state;
	bool turning, reaching;
	bool client_readable, instance_readable; /* there may be something to read */
	bool has_more;				 /* from the client, without an event that tells so */
	bool postponed;				 /* requests that have come wait for the next turn */
	bool client_ended, instance_ended;	 /* has sent its end */
	bool lingers;				 /* when everything was said */
	bool makes_room;			 /* it is over at the end of the turn */
	bool finish_waits, finish_polls; /* the end can be told when the client's socket is writable, after a moment */
	bool surplus; /* the instance may have sent more than its last answer */
	bool trusted;
	bool tunnel;
	bool reset;	   /* it ends with a RST */
	uint32_t looks;	   /* into folders that were over when the state became HTTP_SEEKING */
	uint64_t affinity; /* of requests without a cookie; 0: not drawn yet */
	char address[46];
};

/* The client's side is initialized, and nothing watched. */
void http_conversation_start(struct http_conversation *conversation);

/* What the way to an instance came to: a connected socket or -errno. */
void http_conversation_reached(struct http_conversation *conversation, int fd);

/* Ends one that waits for its client, as its time limit would, but at once. */
void http_conversation_dismiss(struct http_conversation *conversation);

/* Ends it at once, with RSTs, without calling `ended`. */
void http_conversation_abandon(struct http_conversation *conversation);

#endif
