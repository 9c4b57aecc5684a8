// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/preface.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "proxy/clock.h"

_Static_assert(PROXY_HEADER_READ_MAX <= BUFFER_SIZE, "a buffer is too short for a header");

void preface_abandon(struct preface *preface)
{
	event_del(&preface->event);
	event_del(&preface->timer);
	if (preface->buffer)
		buffers_give(preface->buffers, preface->buffer);
	preface->buffer = NULL;
}

static void end(struct preface *preface, int err, const struct proxy_header *header)
{
	preface_abandon(preface);
	preface->ended(preface, err, err ? NULL : header);
}

/*
 * Looks at what there is behind what was taken before, and takes what is the header's: all of it, until that is whole.
 * Its length; 0 when more must come; or -errno.
 */
static ssize_t take(struct preface *preface, struct proxy_header *header)
{
	struct buffer *buffer = preface->buffer;
	ssize_t seen, length, size;

	do
		seen = recv(preface->fd, buffer->bytes + buffer->end, PROXY_HEADER_READ_MAX - buffer->end, MSG_PEEK);
	while (seen < 0 && errno == EINTR);
	if (seen <= 0)
		return seen ? -errno : buffer->end ? -EPROTO : -ENODATA;
	length = proxy_header_read(buffer->bytes, buffer->end + seen, header);
	if (length < 0)
		return length;
	size = length ? length - buffer->end : seen;
	if (recv(preface->fd, buffer->bytes + buffer->end, size, 0) != size)
		return -EIO;
	buffer->end += size;
	return length;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct preface *preface = arg;
	struct proxy_header header;
	ssize_t length;

	(void)fd;
	(void)what;
	if (!preface->buffer)
		preface->buffer = buffers_take(preface->buffers);
	length = preface->buffer ? take(preface, &header) : -ENOMEM;
	if (length > 0)
		end(preface, 0, &header);
	else if (length && length != -EAGAIN)
		end(preface, (int)length, NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end(arg, -ETIMEDOUT, NULL);
}

int preface_start(struct preface *preface, struct event_base *base, struct buffers *buffers, int fd, uint32_t limit_ms)
{
	struct timeval limit = timeval_of_ms(limit_ms);

	preface->fd = fd;
	preface->buffers = buffers;
	preface->buffer = NULL;
	if (!event_assign(&preface->event, base, fd, EV_READ | EV_PERSIST, on_readable, preface) &&
	    !evtimer_assign(&preface->timer, base, on_timer, preface) && !event_add(&preface->event, NULL) &&
	    !event_add(&preface->timer, &limit))
		return 0;
	preface_abandon(preface);
	return -ENOMEM;
}
