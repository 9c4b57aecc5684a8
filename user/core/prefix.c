// SPDX-License-Identifier: BSD-2-Clause
#include "core/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/endpoint.h"
#include "core/number.h"

#define IPV4_BITS 96 /* in front of an IPv4 address */

/* Whole bytes are compared as they are, the bits of the one behind them with a mask. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int bytes = bits / 8;
	uint8_t mask = 0xff00 >> bits % 8;

	return !memcmp(a, b, bytes) && !(bits % 8 && (a[bytes] ^ b[bytes]) & mask);
}

static bool is_ipv4(const struct rcxlb_prefix *prefix)
{
	return prefix->length >= IPV4_BITS && endpoint_address_is_ipv4(prefix->address);
}

/* The block of this length that the address is in. */
static struct rcxlb_prefix begin_of(const struct rcxlb_prefix *prefix)
{
	struct rcxlb_prefix begin = { .length = prefix->length };

	for (unsigned int bit = 0; bit < prefix->length; bit++)
		begin.address[bit / 8] |= prefix->address[bit / 8] & (0x80 >> bit % 8);
	return begin;
}

int prefix_parse(const char *text, struct rcxlb_prefix *ret, struct error *error)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN], begins[PREFIX_LEN];
	struct rcxlb_prefix prefix = {}, begin;
	unsigned long bits, most;

	if (length < sizeof(address)) {
		memcpy(address, text, length);
		address[length] = 0;
	}
	if (length >= sizeof(address) || endpoint_address_parse(address, prefix.address))
		return failed(error, -EINVAL, "'%s' is no address and no CIDR block, as 192.0.2.0/24 or 2001:db8::/32",
			      text);
	most = strchr(address, ':') ? 128 : 32;
	if (number_parse(slash ? slash + 1 : most == 32 ? "32" : "128", 0, most, &bits))
		return failed(error, -EINVAL, "'%s': the length behind the '/' is not a number from 0 to %lu", text,
			      most);
	prefix.length = bits + 128 - most;
	begin = begin_of(&prefix);
	if (!prefix_equal(&begin, &prefix))
		return failed(error, -EINVAL, "'%s' does not begin at its address; did you mean %s?", text,
			      prefix_format(&begin, begins));
	*ret = prefix;
	return 0;
}

const char *prefix_format(const struct rcxlb_prefix *prefix, char *to)
{
	bool ipv4 = is_ipv4(prefix);
	char address[INET6_ADDRSTRLEN];

	inet_ntop(ipv4 ? AF_INET : AF_INET6, prefix->address + (ipv4 ? 12 : 0), address, sizeof(address));
	snprintf(to, PREFIX_LEN, "%.*s/%u", PREFIX_LEN - 5, address, prefix->length - (ipv4 ? IPV4_BITS : 0));
	return to;
}

bool prefix_contains(const struct rcxlb_prefix *prefix, const uint8_t address[16])
{
	return is_ipv4(prefix) == endpoint_address_is_ipv4(address) &&
	       same_bits(prefix->address, address, prefix->length);
}

bool prefix_equal(const struct rcxlb_prefix *a, const struct rcxlb_prefix *b)
{
	return a->length == b->length && !memcmp(a->address, b->address, sizeof(a->address));
}

bool prefix_list_has(const struct rcxlb_prefix *list, uint32_t count, const struct rcxlb_prefix *prefix)
{
	for (uint32_t i = 0; i < count; i++)
		if (prefix_equal(&list[i], prefix))
			return true;
	return false;
}

bool prefix_list_contains(const struct rcxlb_prefix *list, uint32_t count, const uint8_t address[16])
{
	for (uint32_t i = 0; i < count; i++)
		if (prefix_contains(&list[i], address))
			return true;
	return false;
}

int prefix_list_add(struct rcxlb_prefix *list, __u32 *count, uint32_t most, const char *does, const char *text,
		    struct error *error)
{
	struct rcxlb_prefix prefix;
	int err = prefix_parse(text, &prefix, error);

	if (err)
		return err;
	if (*count == most)
		return failed(error, -EINVAL, "'%s' is one too many: a service %s at most %u", text, does, most);
	if (prefix_list_has(list, *count, &prefix))
		return failed(error, -EINVAL, "the proxy '%s' is given twice", text);
	list[(*count)++] = prefix;
	return 0;
}
