/* SPDX-License-Identifier: BSD-2-Clause */
/* Dates as HTTP writes them. Pure. */
#ifndef PROXY_HTTP1_DATE_H
#define PROXY_HTTP1_DATE_H

#include <stdint.h>

#include "proxy/http1_write.h"

/*
 * A time in seconds since 1970 as "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7), whatever the locale. Returns `to`;
 * NULL for one before 1900 or after 9999.
 */
#define HTTP1_DATE_ROOM 30 /* with the final 0 */
const char *http1_date(int64_t date, char to[HTTP1_DATE_ROOM]);

/* A Date field, RFC 9110 6.6.1; none for 0, or when there is no way to write it. */
void http1_put_date(struct http1_out *out, int64_t date);

#endif
