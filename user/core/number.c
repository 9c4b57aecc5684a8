// SPDX-License-Identifier: BSD-2-Clause
#include "core/number.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

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

const char *number_without_zeros(const char *text)
{
	while (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
		text++;
	return text;
}

int number_parse_hundredths(const char *text, unsigned long least, unsigned long most, unsigned long *ret)
{
	const char *point = strchr(text, '.');
	size_t whole = point ? (size_t)(point - text) : strlen(text), behind = point ? strlen(point + 1) : 0;
	char digits[24];

	if (!whole || behind > 2 || (point && !behind) || whole + 2 >= sizeof(digits))
		return -EINVAL;
	snprintf(digits, sizeof(digits), "%.*s%s%s", (int)whole, text, point ? point + 1 : "", &"00"[behind]);
	return number_parse(digits, least, most, ret);
}
