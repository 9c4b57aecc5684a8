/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and keys from PEM files. Apart from what uses them: a worker has no file system. */
#ifndef PROXY_IDENTITY_FILE_H
#define PROXY_IDENTITY_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "proxy/identity.h"

/*
 * Reads the two files (which may be one) into memory; the caller frees with identity_pem_free(). -errno with a sentence
 * that names the file: one that cannot be read, that is no regular file or past 1 MiB (-EFBIG), and a key that others
 * than its owner may read or write, or whose owner is a worker's user by `is_workers`, which may be NULL (-EPERM).
 */
int identity_read(const char *chain, const char *key, bool (*is_workers)(uid_t), struct identity_pem *ret,
		  struct error *error);

#endif
