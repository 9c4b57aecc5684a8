/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths of files that are written down now and opened later, by another process. Pure. */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include "core/error.h"
#include "rcxlb/abi.h"

/* Absolute, below RCXLB_PATH_LEN bytes, on one line: -EINVAL with a sentence else, and `to` is as before. */
int path_set(char to[RCXLB_PATH_LEN], const char *text, struct error *error);

#endif
