/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CMD_RELOAD_H
#define CMD_RELOAD_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config/read.h"
#include "core/error.h"
#include "dataplane/dataplane.h"

#define RELOAD_TRIES 10 /* to read a file that is changed at the same time */

/*
 * Makes the running state what a file says, and prints the differences; with `dry` only prints them. `interfaces` NULL:
 * they stay as they are. `file` is remembered. -ESTALE when it is not as it was read: it is to be read again, as another
 * command may have done what it says by now.
 */
int reload_from(const char *file, const struct stat *as_read, const struct config *config,
		const struct xdp_wishes *interfaces, bool dry, struct error *error);

/* Remembers the file, by its full path. What it says is done by now: when the name cannot be kept, that is a warning. */
void reload_remember(struct dataplane *dataplane, const char *file);

#endif
