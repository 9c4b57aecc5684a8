/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * SipHash-c-d of whole 64-bit words (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012,
 * section 2.1): a keyed hash whose values cannot be aimed without the key. Included by BPF and by user space.
 */
#ifndef RCXLB_SIPHASH_H
#define RCXLB_SIPHASH_H

#include <linux/types.h>

struct rcxlb_siphash {
	__u64 v0, v1, v2, v3;
};

#define RCXLB_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline __attribute__((always_inline)) void rcxlb_sip_rounds(struct rcxlb_siphash *s, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		s->v0 += s->v1;
		s->v1 = RCXLB_ROTL(s->v1, 13) ^ s->v0;
		s->v0 = RCXLB_ROTL(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = RCXLB_ROTL(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = RCXLB_ROTL(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = RCXLB_ROTL(s->v1, 17) ^ s->v2;
		s->v2 = RCXLB_ROTL(s->v2, 32);
	}
}

/* c and d are constants at every call: the loops unroll. */
static inline __attribute__((always_inline)) __u64 rcxlb_siphash(const __u64 key[2], const __u64 *words, __u32 count,
								 int c, int d)
{
	struct rcxlb_siphash s = {
		.v0 = key[0] ^ 0x736f6d6570736575ull,
		.v1 = key[1] ^ 0x646f72616e646f6dull,
		.v2 = key[0] ^ 0x6c7967656e657261ull,
		.v3 = key[1] ^ 0x7465646279746573ull,
	};
	__u64 last = (__u64)(count * 8) << 56;

	for (__u32 i = 0; i < count; i++) {
		s.v3 ^= words[i];
		rcxlb_sip_rounds(&s, c);
		s.v0 ^= words[i];
	}
	s.v3 ^= last;
	rcxlb_sip_rounds(&s, c);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	rcxlb_sip_rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
