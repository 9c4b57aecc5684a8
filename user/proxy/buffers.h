/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers for bytes in flight: one size, taken and given back, the last given is the first taken (it is in the cache).
 */
#ifndef PROXY_BUFFERS_H
#define PROXY_BUFFERS_H

#include <stddef.h>

#include "proxy/records.h"

/* One TLS record. tests/bench/pairings.c says what other sizes and ways would bring. */
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
