// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_access.h"

#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/clock.h"

#define COLLECT_MS 100

_Static_assert(HTTP_LOG_LINE <= PIPE_BUF, "a pipe takes so much whole or not at all");

struct http_access {
	const char *service;
	int to;
	bool json;
	struct event timer;   /* runs while there are lines */
	uint64_t lines, lost; /* collected; and not yet told to the caller */
	size_t used;
	char bytes[HTTP_LOG_LINE];
};

static void flush(struct http_access *access)
{
	if (access->used && write(access->to, access->bytes, access->used) < 0)
		access->lost += access->lines;
	access->used = 0;
	access->lines = 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

struct http_access *http_access_new(struct event_base *base, int to, const char *service, bool json)
{
	struct http_access *access = calloc(1, sizeof(*access));

	if (!access)
		return NULL;
	access->service = service;
	access->to = to;
	access->json = json;
	evtimer_assign(&access->timer, base, on_timer, access);
	return access;
}

void http_access_free(struct http_access *access)
{
	if (!access)
		return;
	flush(access);
	event_del(&access->timer);
	free(access);
}

bool http_access_is_json(const struct http_access *access)
{
	return access->json;
}

void http_access_write(struct http_access *access, struct http_log_entry *entry, __u64 *lost)
{
	const struct timeval later = timeval_of_ms(COLLECT_MS);
	char line[HTTP_LOG_LINE];
	size_t size;

	entry->service = access->service;
	entry->time_ms = clock_ns(CLOCK_REALTIME) / 1000000;
	size = http_log_line(entry, access->json, line);
	if (access->used + size > sizeof(access->bytes))
		flush(access);
	if (!access->used)
		event_add(&access->timer, &later);
	memcpy(access->bytes + access->used, line, size);
	access->used += size;
	access->lines++;
	*lost += access->lost;
	access->lost = 0;
}
