/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_NUMBER_H
#define CORE_NUMBER_H

/* A whole text of decimal digits, nothing else, from `least` to `most`. Returns 0, -EINVAL or -ERANGE. */
int number_parse(const char *text, unsigned long least, unsigned long most, unsigned long *ret);

/* Behind zeros that stand in front of another digit: of "010" it is "10". */
const char *number_without_zeros(const char *text);

/* A decimal number with at most two digits behind the point, in hundredths: "1.25" is 125. Same range and errors. */
int number_parse_hundredths(const char *text, unsigned long least, unsigned long most, unsigned long *ret);

#endif
