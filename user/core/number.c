// SPDX-License-Identifier: BSD-2-Clause
#include "core/number.h"

#include <errno.h>
#include <limits.h>

int number_parse(const char *text, unsigned long least, unsigned long most, unsigned long *ret)
{
	unsigned long value = 0;

	if (!*text)
		return -EINVAL;
	for (const char *c = text; *c; c++)
		if (*c < '0' || *c > '9')
			return -EINVAL;
	for (const char *c = text; *c; c++) {
		unsigned long digit = *c - '0';

		if (value > (ULONG_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (value < least || value > most)
		return -ERANGE;
	*ret = value;
	return 0;
}
