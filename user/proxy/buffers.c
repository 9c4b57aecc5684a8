// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/buffers.h"

#include <stdlib.h>

#define KEPT_MAX 64

struct buffer *buffers_take(struct buffers *buffers)
{
	struct buffer *buffer = buffers->free;

	if (buffer) {
		buffers->free = buffer->next;
		buffers->free_count--;
	} else {
		buffer = malloc(sizeof(*buffer));
	}
	if (buffer) {
		buffer->start = buffer->end = 0;
		buffers->taken++;
	}
	return buffer;
}

void buffers_give(struct buffers *buffers, struct buffer *buffer)
{
	buffers->taken--;
	if (buffers->free_count >= KEPT_MAX) {
		free(buffer);
		return;
	}
	buffer->next = buffers->free;
	buffers->free = buffer;
	buffers->free_count++;
}

void buffers_drain(struct buffers *buffers)
{
	while (buffers->free) {
		struct buffer *next = buffers->free->next;

		free(buffers->free);
		buffers->free = next;
	}
	buffers->free_count = 0;
}
