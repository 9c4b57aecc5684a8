// SPDX-License-Identifier: BSD-2-Clause
/* What libbpf and libxdp say while they work: nothing, unless asked for; but the first complaint is kept. */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "dataplane/dataplane.h"
#include "dataplane/handle.h"

static char complaint[200];

/* The line before the last of the verifier's log, which is a count: its verdict. */
static const char *verdict_in(char *text)
{
	char *end = strstr(text, "\nprocessed "), *start;

	if (!end || !strstr(text, "BEGIN PROG LOAD LOG"))
		return NULL;
	*end = '\0';
	start = strrchr(text, '\n');
	return start ? start + 1 : text;
}

static int libbpf_is_heard(enum libbpf_print_level level, const char *format, va_list list)
{
	const char *verdict;
	char *text;

	if (level != LIBBPF_WARN || complaint[0] || vasprintf(&text, format, list) < 0)
		return 0;
	verdict = verdict_in(text);
	if (verdict)
		snprintf(complaint, sizeof(complaint), "%s", verdict);
	else if (!strstr(text, "load failed")) /* then the log follows */
		snprintf(complaint, sizeof(complaint), "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return 0;
}

const char *handle_complaint(void)
{
	return complaint;
}

void handle_forget_complaint(void)
{
	complaint[0] = '\0';
}

static int libbpf_says(enum libbpf_print_level level, const char *format, va_list list)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, list);
}

static int libxdp_says(enum libxdp_print_level level, const char *format, va_list list)
{
	return level == LIBXDP_DEBUG ? 0 : vfprintf(stderr, format, list);
}

void dataplane_verbose(bool on)
{
	libbpf_set_print(on ? libbpf_says : libbpf_is_heard);
	libxdp_set_print(on ? libxdp_says : NULL);
}
