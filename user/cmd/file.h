/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration files, where commands meet them. */
#ifndef CMD_FILE_H
#define CMD_FILE_H

#include "config/read.h"
#include "core/error.h"

#define FILE_USUAL "/etc/rcxlb/rcxlb.yaml"

/*
 * Reads and checks a file. -EBADMSG when there are mistakes in it: they have been printed on standard error, each as
 * FILE:LINE: 'VALUE': what is wrong; what to do. A file that others than root may write is used, with a warning there.
 */
int file_read(const char *path, struct config *ret, struct error *error);

/* -ENOENT with a sentence: there is no such folder. */
int folder_check(const char *folder, struct error *error);

#endif
