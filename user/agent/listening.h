/* SPDX-License-Identifier: BSD-2-Clause */
/* A listening socket in a loop that rests a moment when a client cannot be accepted: no descriptor, or no memory. */
#ifndef AGENT_LISTENING_H
#define AGENT_LISTENING_H

#include <event2/event.h>
#include <event2/listener.h>

struct listening;

/*
 * `accepted` is called for each client. The socket is closed by listening_free(). NULL when there is no memory: then it is
 * still the caller's.
 */
struct listening *listening_new(struct event_base *base, evconnlistener_cb accepted, void *context, int fd);

/* NULL is fine. */
void listening_free(struct listening *listening);

#endif
