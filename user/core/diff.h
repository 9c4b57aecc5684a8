/* SPDX-License-Identifier: BSD-2-Clause */
/* What is different between two states, in words. Pure. */
#ifndef CORE_DIFF_H
#define CORE_DIFF_H

#include "core/model.h"
#include "core/xdp.h"

/* Is called with one difference, as "+ backend 127.0.0.1:3003 in rocketchat", without a newline. */
typedef void (*diff_line)(const char *text, void *context);

/* Services go by name, backends by address, whatever their ids are. Returns how many lines there were. */
uint32_t model_diff(const struct model *from, const struct model *to, diff_line line, void *context);

/* The same of interfaces: those that have the guard, and those that are wished to. */
uint32_t xdp_diff(const struct rcxlb_interface *from, uint32_t count, const struct xdp_wishes *to, diff_line line,
		  void *context);

#endif
