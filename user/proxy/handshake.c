// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/handshake.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>

#include "proxy/clock.h"

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void release(struct handshake *handshake)
{
	event_del(&handshake->timer);
	if (handshake->watching)
		event_del(&handshake->event);
	handshake->watching = 0;
	tls_context_unref(handshake->context);
	handshake->context = NULL;
}

void handshake_abandon(struct handshake *handshake)
{
	release(handshake);
	SSL_free(handshake->ssl);
	handshake->ssl = NULL;
}

static void fail(struct handshake *handshake, enum handshake_end end)
{
	handshake_abandon(handshake);
	handshake->ended(handshake, end);
}

static int watch(struct handshake *handshake, short events)
{
	events |= EV_PERSIST;
	if (handshake->watching == events)
		return 0;
	if (handshake->watching)
		event_del(&handshake->event);
	handshake->watching = 0;
	if (event_assign(&handshake->event, handshake->base, SSL_get_fd(handshake->ssl), events, on_ready, handshake) ||
	    event_add(&handshake->event, NULL))
		return -ENOMEM;
	handshake->watching = events;
	return 0;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct handshake *handshake = arg;
	int ret, error;

	(void)fd;
	(void)what;
	ERR_clear_error();
	ret = SSL_do_handshake(handshake->ssl);
	if (ret == 1) {
		release(handshake);
		handshake->ended(handshake, HANDSHAKE_OK);
		return;
	}
	error = SSL_get_error(handshake->ssl, ret);
	ERR_clear_error();
	if ((error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) ||
	    watch(handshake, error == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE))
		fail(handshake, HANDSHAKE_FAILED);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fail(arg, HANDSHAKE_TIMED_OUT);
}

int handshake_start(struct handshake *handshake, struct event_base *base, struct tls_context *context, int fd,
		    uint32_t limit_ms)
{
	struct timeval limit = timeval_of_ms(limit_ms);

	handshake->base = base;
	handshake->watching = 0;
	handshake->since_ms = clock_ms();
	handshake->ssl = tls_accept(context, fd);
	if (!handshake->ssl)
		return -ENOMEM;
	handshake->context = tls_context_ref(context);
	if (evtimer_assign(&handshake->timer, base, on_timer, handshake) || event_add(&handshake->timer, &limit) ||
	    watch(handshake, EV_READ)) {
		handshake_abandon(handshake);
		return -ENOMEM;
	}
	return 0;
}
