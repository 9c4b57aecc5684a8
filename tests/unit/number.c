// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include <errno.h>

#include "core/number.h"

static const struct {
	const char *what, *text;
	int err;
	unsigned long value;
} rows[] = {
	{ "a whole number", "2", 0, 200 },
	{ "two digits behind the point", "1.25", 0, 125 },
	{ "one digit behind the point", "1.5", 0, 150 },
	{ "a zero behind the point", "1.05", 0, 105 },
	{ "the least", "1.01", 0, 101 },
	{ "the most", "100", 0, 10000 },
	{ "below the least", "1.00", -ERANGE, 0 },
	{ "above the most", "100.01", -ERANGE, 0 },
	{ "three digits behind the point", "1.255", -EINVAL, 0 },
	{ "no digit behind the point", "1.", -EINVAL, 0 },
	{ "no digit before the point", ".5", -EINVAL, 0 },
	{ "two points", "1.2.3", -EINVAL, 0 },
	{ "a sign", "-1.5", -EINVAL, 0 },
	{ "nothing", "", -EINVAL, 0 },
	{ "more digits than a number has", "111111111111111111111111111111", -EINVAL, 0 },
};

static void hundredths(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		unsigned long value = 0;

		check(number_parse_hundredths(rows[r].text, 101, 10000, &value) == rows[r].err, rows[r].what);
		check(value == rows[r].value, rows[r].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hundredths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
