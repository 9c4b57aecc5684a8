/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines for people: on standard error, or in syslog. */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include <stdbool.h>

/* To be called first, before privileges are given up. */
void log_open(bool to_stderr);
void log_close(void);

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
