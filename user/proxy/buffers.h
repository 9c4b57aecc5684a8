/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers for bytes in flight: one size, taken and given back, the last given is the first taken (it is in the cache).
 */
#ifndef PROXY_BUFFERS_H
#define PROXY_BUFFERS_H

#include <stddef.h>

#include "proxy/records.h"

/*
 * One TLS record. `tests/bench/pairings 1024` on Linux 6.18, plain to plain, ms of CPU for each MiB: recv and send 1.00
 * with 16 KiB, 0.78 with 32, 0.70 with 64; splice through a pipe 0.80, 0.70 and 0.66, but fewer MiB/s (800 to 900 with
 * 64 KiB), and two descriptors more a direction. sendfile cannot read from a socket. So: recv and send, and 16 KiB,
 * since a client that does not read holds one. Kernel TLS was measured under emulation only, where the figures of one
 * way differ more from run to run than the ways do.
 */
#define BUFFER_SIZE RECORD_MAX

struct buffer {
	struct buffer *next;
	unsigned int start, end; /* what is in it: bytes[start] to bytes[end - 1] */
	unsigned char bytes[BUFFER_SIZE];
};

/* Zeroed is empty. */
struct buffers {
	struct buffer *free;
	unsigned int free_count;
	unsigned long taken; /* now */
};

/* An empty buffer; NULL: no memory. */
struct buffer *buffers_take(struct buffers *buffers);

/* A few are kept, the others go back to the system. */
void buffers_give(struct buffers *buffers, struct buffer *buffer);

/* Frees those that are kept. */
void buffers_drain(struct buffers *buffers);

#endif
