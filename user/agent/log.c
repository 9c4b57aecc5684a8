// SPDX-License-Identifier: BSD-2-Clause
#include "agent/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

static bool on_stderr = true;

void log_open(bool to_stderr)
{
	on_stderr = to_stderr;
	tzset(); /* syslog() writes local time, whose file cannot be opened later */
	if (!to_stderr)
		openlog("rcxlb", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_close(void)
{
	if (!on_stderr)
		closelog();
}

void log_line(const char *format, ...)
{
	char line[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	if (on_stderr)
		fprintf(stderr, "rcxlb: %s\n", line);
	else
		syslog(LOG_NOTICE, "%s", line);
}
