/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are read as a whole, for workers, which have no file system. */
#ifndef PROXY_WHOLE_FILE_H
#define PROXY_WHOLE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/error.h"

struct whole_file_rules {
	size_t most;		  /* bytes */
	bool private;		  /* nobody but its owner may read or write it */
	bool (*is_barred)(uid_t); /* whose it must not be; may be NULL */
	bool ours;		  /* nobody but root and who reads it may change it, and the path is no symbolic link */
};

/*
 * Reads a regular file; its bytes are the caller's, for free(). -errno with a sentence that begins with `what` and the
 * path: one that cannot be read, that is no regular file, has too many bytes (-EFBIG), may be used by others (-EPERM),
 * or is a symbolic link (-ELOOP). *ret is as before then, or NULL.
 */
int whole_file_read(const char *what, const char *path, const struct whole_file_rules *rules, char **ret,
		    size_t *ret_size, struct error *error);

#endif
