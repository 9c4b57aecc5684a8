// SPDX-License-Identifier: BSD-2-Clause
/* What libbpf and libxdp say while they work: nothing, unless asked for. */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <xdp/libxdp.h>

#include "dataplane/dataplane.h"

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
	libbpf_set_print(on ? libbpf_says : NULL);
	libxdp_set_print(on ? libxdp_says : NULL);
}
