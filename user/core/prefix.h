/* SPDX-License-Identifier: BSD-2-Clause */
/* CIDR blocks as people write them: 192.0.2.0/24, 2001:db8::/32, or one address. Pure. */
#ifndef CORE_PREFIX_H
#define CORE_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "rcxlb/abi.h"

/* A block that begins at its address: -EINVAL with a sentence when there are bits behind its length. */
int prefix_parse(const char *text, struct rcxlb_prefix *ret, struct error *error);

#define PREFIX_LEN 48 /* with the final 0 */

/* As prefix_parse() reads it, always with its length. `to` holds PREFIX_LEN bytes. Returns `to`. */
const char *prefix_format(const struct rcxlb_prefix *prefix, char *to);

/* Is the address, as endpoints have it, in the block? An IPv4 address is in no block of IPv6, ::/0 among them. */
bool prefix_contains(const struct rcxlb_prefix *prefix, const uint8_t address[16]);

bool prefix_equal(const struct rcxlb_prefix *a, const struct rcxlb_prefix *b);

/* --- Lists of `count` blocks: of proxies --- */

/* Is the block one of them? */
bool prefix_list_has(const struct rcxlb_prefix *list, uint32_t count, const struct rcxlb_prefix *prefix);

/* Is the address in one of them? */
bool prefix_list_contains(const struct rcxlb_prefix *list, uint32_t count, const uint8_t address[16]);

/*
 * Adds what the text says, `most` at most. `does` is what a service does with them, for the sentence. 0, or -EINVAL,
 * -E2BIG or -EEXIST with a sentence.
 */
int prefix_list_add(struct rcxlb_prefix *list, __u32 *count, uint32_t most, const char *does, const char *text,
		    struct error *error);

#endif
