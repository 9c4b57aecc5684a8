/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields that a service sets in each request: one rule for options and configuration files alike. Pure. */
#ifndef CONFIG_HEADER_H
#define CONFIG_HEADER_H

#include "core/error.h"
#include "rcxlb/abi.h"

/*
 * Adds one. A name that differs in the case of letters, or has another mark for `-`, is the same one. Errors with a
 * sentence: -EINVAL when it is not a valid field or one that rcxlb itself sets, -EEXIST, -E2BIG.
 */
int header_set(struct rcxlb_http *http, const char *name, const char *value, struct error *error);

/* The same of "NAME: VALUE", as an option has it. */
int header_set_line(struct rcxlb_http *http, const char *line, struct error *error);

#endif
