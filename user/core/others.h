/* SPDX-License-Identifier: BSD-2-Clause */
/* Who else than root, and than the user by whom a file is used, has power over it. */
#ifndef CORE_OTHERS_H
#define CORE_OTHERS_H

#include <stdbool.h>
#include <sys/stat.h>

/* It belongs to somebody else than root and the user `self`. */
bool others_own(const struct stat *file, uid_t self);

/* Its mode lets others write to it, than its owner and root's group. */
bool others_may_write(const struct stat *file);

/* Likewise: read it. */
bool others_may_read(const struct stat *file);

#endif
