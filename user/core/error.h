/* SPDX-License-Identifier: BSD-2-Clause */
/* An error on its way to the edge: functions return -errno, and say here in one sentence what failed and what to do. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <errno.h>

struct error {
	char text[512];
};

/* Writes the sentence, without a final newline, cut to fit. */
void error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the sentence and is `err`, a negative errno. A macro, so that the compiler sees that it is not 0. */
#define failed(error, err, ...) (error_set(error, __VA_ARGS__), (err))

/*
 * The same of what the kernel answered. Its EINVAL is not ours, which means wrong usage: it is something that the kernel,
 * or a driver, does not know.
 */
#define failed_in_kernel(error, err, ...) (error_set(error, __VA_ARGS__), (err) == -EINVAL ? -ENOTSUP : (err))

#endif
