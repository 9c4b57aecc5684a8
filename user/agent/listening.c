// SPDX-License-Identifier: BSD-2-Clause
#include "agent/listening.h"

#include <stdlib.h>

#include "proxy/clock.h"

#define PAUSE_MS 100

struct listening {
	struct evconnlistener *listener;
	struct event *pause; /* ends one */
	evconnlistener_cb accepted;
	void *context;
};

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
			void *context)
{
	const struct listening *listening = context;

	listening->accepted(listener, fd, address, size, listening->context);
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
	const struct listening *listening = context;

	(void)fd;
	(void)what;
	evconnlistener_enable(listening->listener);
}

/* Who waits in the queue stays there: without a pause the loop would do nothing but try to accept him. */
static void on_error(struct evconnlistener *listener, void *context)
{
	const struct listening *listening = context;
	struct timeval after = timeval_of_ms(PAUSE_MS);

	evconnlistener_disable(listener);
	if (evtimer_add(listening->pause, &after))
		evconnlistener_enable(listener);
}

struct listening *listening_new(struct event_base *base, evconnlistener_cb accepted, void *context, int fd)
{
	struct listening *listening = calloc(1, sizeof(*listening));

	if (!listening)
		return NULL;
	listening->accepted = accepted;
	listening->context = context;
	listening->pause = evtimer_new(base, on_pause_over, listening);
	if (listening->pause)
		listening->listener = evconnlistener_new(base, on_accepted, listening,
							 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!listening->listener) {
		listening_free(listening);
		return NULL;
	}
	evconnlistener_set_error_cb(listening->listener, on_error);
	return listening;
}

void listening_free(struct listening *listening)
{
	if (!listening)
		return;
	if (listening->listener)
		evconnlistener_free(listening->listener);
	if (listening->pause)
		event_free(listening->pause);
	free(listening);
}
