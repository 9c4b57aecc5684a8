/* SPDX-License-Identifier: BSD-2-Clause */
/* cmocka with what it wants to have included before it. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* By AddressSanitizer. */
#ifdef __has_feature
#define WATCHED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#else
#define WATCHED 0
#endif

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Fails the test and says which row of a table it was. */
#define check(condition, row)                                                                                          \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			fail_msg("%s: not so: %s", row, #condition);                                                   \
	} while (0)

#endif
