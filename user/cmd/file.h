/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration files, where commands meet them. */
#ifndef CMD_FILE_H
#define CMD_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config/read.h"
#include "core/error.h"

#define FILE_USUAL "/etc/rcxlb/rcxlb.yaml"

/*
 * Reads and checks a file. -EBADMSG when there are mistakes in it: they have been printed on standard error, each as
 * FILE:LINE: 'VALUE': what is wrong; what to do. A file that others than root may write is used, with a warning there.
 * *ret_as_read is for file_has_changed().
 */
int file_read(const char *path, struct config *ret, struct stat *ret_as_read, struct error *error);

/* Since it was read: it was written, or another one has its name, or none has. */
bool file_has_changed(const char *path, const struct stat *as_read);

/* -ENOENT with a sentence: there is no such folder. */
int folder_check(const char *folder, struct error *error);

#endif
