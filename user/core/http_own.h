/* SPDX-License-Identifier: BSD-2-Clause */
/* Which answers a worker gives itself. Pure. */
#ifndef CORE_HTTP_OWN_H
#define CORE_HTTP_OWN_H

#include <stdint.h>

#define HTTP_OWN_STATUSES 16

/* 301, 308, and those of http1_answer.h; 200 and 404 are to challenges of a certificate authority. */
extern const uint16_t http_own_statuses[HTTP_OWN_STATUSES];
extern const char *const http_own_names[HTTP_OWN_STATUSES]; /* the same as texts */

/* Where one stands among them. */
unsigned int http_own_index(int status);

#endif
