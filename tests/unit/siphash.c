// SPDX-License-Identifier: BSD-2-Clause
/* SipHash against the vectors of its authors: key 00 01 … 0f, input 00 01 02 …, SipHash-2-4. */
#include "test.h"

#include "rcxlb/siphash.h"

static const __u64 key[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
static const __u64 input[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

static void vectors(void **state)
{
	(void)state;
	assert_int_equal(rcxlb_siphash(key, input, 0, 2, 4), 0x726fdb47dd0e0e31ull);
	assert_int_equal(rcxlb_siphash(key, input, 1, 2, 4), 0x93f5f5799a932462ull);
	assert_int_equal(rcxlb_siphash(key, input, 2, 2, 4), 0x3f2acc7f57c29bdbull);
}

static void another_key_is_another_hash(void **state)
{
	const __u64 other[2] = { key[0] ^ 1, key[1] };

	(void)state;
	assert_int_not_equal(rcxlb_siphash(key, input, 2, 1, 3), rcxlb_siphash(other, input, 2, 1, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(another_key_is_another_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
