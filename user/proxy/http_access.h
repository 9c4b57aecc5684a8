/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of a service's access log on their way into a pipe. They are collected for a moment, and written whole lines at
 * a time: others write into the same pipe. When it is full they are lost, and counted; nobody waits.
 */
#ifndef PROXY_HTTP_ACCESS_H
#define PROXY_HTTP_ACCESS_H

#include <event2/event.h>
#include <linux/types.h>

#include "proxy/http_log.h"

struct http_access;

/* `to` is a non-blocking descriptor, `service` the name of the service; both stay the caller's. NULL: no memory. */
struct http_access *http_access_new(struct event_base *base, int to, const char *service, bool json);

/* What is collected is written. NULL is fine. */
void http_access_free(struct http_access *access);

/* In which format, for http_log_note(). */
bool http_access_is_json(const struct http_access *access);

/* The service and the time are filled in. `*lost` grows by the lines that had no room. */
void http_access_write(struct http_access *access, struct http_log_entry *entry, __u64 *lost);

#endif
