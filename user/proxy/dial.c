// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "proxy/clock.h"

int dial_socket(const struct rcxlb_endpoint *to)
{
	struct sockaddr_storage address;
	const int one = 1;
	int fd;

	address_of(to, &address);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void dial_abandon(struct dial *dial)
{
	if (dial->fd < 0)
		return;
	event_del(&dial->event);
	close(dial->fd);
	dial->fd = -1;
}

static void fail(struct dial *dial, int err)
{
	dial_abandon(dial);
	dial->ended(dial, err);
}

/* A new connection has room for so few bytes. */
static void greet(struct dial *dial)
{
	if (dial->greeting_size && send(dial->fd, dial->greeting, dial->greeting_size, MSG_DONTWAIT | MSG_NOSIGNAL) !=
				       (ssize_t)dial->greeting_size)
		fail(dial, -EPIPE);
	else
		dial->ended(dial, 0);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = arg;
	int err = 0;
	socklen_t size = sizeof(err);

	if (what & EV_TIMEOUT)
		err = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size))
		err = errno;
	if (err)
		fail(dial, -err);
	else
		greet(dial);
}

void dial_start(struct dial *dial, struct event_base *base, int fd, const struct rcxlb_endpoint *to, uint32_t limit_ms)
{
	struct timeval limit = timeval_of_ms(limit_ms);
	struct sockaddr_storage address;
	socklen_t size = address_of(to, &address);

	dial->fd = fd;
	event_assign(&dial->event, base, fd, EV_WRITE, on_connected, dial);
	/* On the loopback interface it is connected, or refused, when this returns; and it says so when asked again. */
	if (connect(fd, (struct sockaddr *)&address, size) == 0 ||
	    (errno == EINPROGRESS && connect(fd, (struct sockaddr *)&address, size) == 0))
		greet(dial);
	else if (errno != EINPROGRESS && errno != EALREADY)
		fail(dial, -errno);
	else if (event_add(&dial->event, &limit))
		fail(dial, -ENOMEM);
}
