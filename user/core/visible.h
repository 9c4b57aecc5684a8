/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_VISIBLE_H
#define CORE_VISIBLE_H

#include <stddef.h>

/*
 * Copies a text that somebody else wrote for people to read: control characters, which a terminal would obey, as \x1b.
 * At most `most` bytes of the original, and what fits into `size`; "..." stands for the rest.
 */
void visible_copy(char *to, size_t size, const char *from, size_t most);

#endif
