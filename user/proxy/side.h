/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One side of a relay: a connected non-blocking socket, and who makes its bytes: nobody, the kernel's TLS, or OpenSSL.
 * All three look alike from outside. Also what the event loop is to say about it.
 */
#ifndef PROXY_SIDE_H
#define PROXY_SIDE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proxy/records.h"

enum side_kind { SIDE_PLAIN, SIDE_KERNEL, SIDE_OPENSSL };

struct side {
	int fd; /* -1: closed */
	enum side_kind kind;
	union {
		struct records *records; /* SIDE_KERNEL */
		SSL *ssl;		 /* SIDE_OPENSSL */
	};
	size_t barren;	    /* bytes that OpenSSL has read since it had data */
	bool kernel_sends;  /* of SIDE_OPENSSL: OpenSSL writes, and the kernel encrypts */
	bool refused;	    /* the peer broke the protocol and was told: close, and no RST over the alert */
	bool drained;	    /* what OpenSSL or the kernel has, if anything, is no whole record */
	bool had_bytes;	    /* of SIDE_KERNEL: the last time it was read */
	bool read_blocked;  /* reading waits until the socket can be written */
	bool write_blocked; /* writing waits until the socket can be read */
	short watching;
	struct event event;
};

/* What the event loop says about a side that waits for nothing: only that it was reset. */
#define SIDE_WATCH_ERRORS (EV_WRITE | EV_ET | EV_PERSIST)

/* The side owns the socket, and `records` (from OPENSSL_malloc) or `ssl`. Nothing is watched yet. */
void side_init_plain(struct side *side, int fd);
void side_init_kernel(struct side *side, int fd, struct records *records);
void side_init_openssl(struct side *side, int fd, SSL *ssl);

/* The side, on which nothing was watched yet, was copied to here. */
void side_moved(struct side *side);

/* `callback` gets `arg` when one of `events` (EV_READ, EV_WRITE, neither: errors only) is so. 0 or -errno. */
int side_watch(struct side *side, struct event_base *base, short events, event_callback_fn callback, void *arg);

/* What side_watch() is to be asked for by who wants to read, to write, both, or neither. */
static inline short side_events(const struct side *side, bool read, bool write)
{
	short events = 0;

	if (read)
		events |= side->read_blocked ? EV_WRITE : EV_READ;
	if (write)
		events |= side->write_blocked ? EV_READ : EV_WRITE;
	return events;
}

/* Nothing is said any more. */
void side_unwatch(struct side *side);

/* Bytes read (BUFFER_SIZE fits every record), 0 at the end of the stream, -EAGAIN, or -errno when it is over. */
ssize_t side_read(struct side *side, void *to, size_t size);

/* Bytes taken, -EAGAIN, or -errno when it is over. After -EAGAIN the same bytes, or more, are to be offered again. */
ssize_t side_write(struct side *side, const void *from, size_t size);

/* True when side_read() would have more without an event telling so. */
bool side_has_pending(const struct side *side);

/*
 * Says that nothing more will be sent: close_notify, FIN. 0 done; -EAGAIN: again when the socket can be written;
 * -EBUSY: again after a moment, no event tells; or -errno when it is over.
 */
int side_finish(struct side *side);

/* The error that is waiting at the socket (the peer's RST), as -errno, or 0. */
int side_error(const struct side *side);

/* True when the peer's kernel has all that was written. */
bool side_delivered(const struct side *side);

/* Both free everything. side_reset() sends a RST; side_close() ends as the state of the stream demands. */
void side_close(struct side *side);
void side_reset(struct side *side);

#endif
