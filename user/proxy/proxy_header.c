// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/endpoint.h"

/* --- Version 1: a line --- */

#define LINE_MAX_BYTES 107

static const char line_begin[] = "PROXY ";

/* A word of the line, and the space or the end behind it taken off. False when there is none. */
static bool take_word(const char **line, const char *end, char *to, size_t room)
{
	const char *space = memchr(*line, ' ', end - *line), *until = space ? space : end;
	size_t length = until - *line;

	if (!length || length >= room || memchr(*line, 0, length))
		return false;
	memcpy(to, *line, length);
	to[length] = 0;
	*line = space ? space + 1 : end;
	return true;
}

static bool take_address(const char **line, const char *end, bool ipv4, struct rcxlb_endpoint *to)
{
	char word[INET6_ADDRSTRLEN];

	*to = endpoint_any(ipv4, 0);
	return take_word(line, end, word, sizeof(word)) &&
	       inet_pton(ipv4 ? AF_INET : AF_INET6, word, to->address + (ipv4 ? 12 : 0)) == 1;
}

static bool take_port(const char **line, const char *end, struct rcxlb_endpoint *to)
{
	uint32_t port = 0;
	char word[6];

	if (!take_word(line, end, word, sizeof(word)) || (word[0] == '0' && word[1]))
		return false;
	for (const char *digit = word; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		port = 10 * port + (*digit - '0');
	}
	to->port = port;
	return port <= 65535;
}

/* The line without its CR LF. */
static bool read_line(const char *line, const char *end, struct proxy_header *ret)
{
	char word[8];
	bool ipv4;

	line += sizeof(line_begin) - 1;
	if (!take_word(&line, end, word, sizeof(word)))
		return false;
	if (strcmp(word, "UNKNOWN") == 0) /* whatever comes behind it */
		return true;
	ipv4 = strcmp(word, "TCP4") == 0;
	if (!ipv4 && strcmp(word, "TCP6") != 0)
		return false;
	ret->known = take_address(&line, end, ipv4, &ret->client) && take_address(&line, end, ipv4, &ret->dialled) &&
		     take_port(&line, end, &ret->client) && take_port(&line, end, &ret->dialled) && line == end &&
		     end[-1] != ' ';
	return ret->known;
}

static ssize_t read_version_1(const char *bytes, size_t size, struct proxy_header *ret)
{
	size_t most = size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES;
	const char *lf = memchr(bytes, '\n', most);

	if (!lf)
		return size < LINE_MAX_BYTES ? 0 : -EPROTO;
	if (lf - bytes < (ptrdiff_t)sizeof(line_begin) || lf[-1] != '\r' || !read_line(bytes, lf - 1, ret))
		return -EPROTO;
	return lf + 1 - bytes;
}

/* --- Version 2: binary --- */

#define FIXED	      16 /* signature, version and command, family, length */
#define VERSION_2     0x20
#define COMMAND_LOCAL 0
#define COMMAND_PROXY 1
#define FAMILY_UNSPEC 0x00
#define FAMILY_TCP4   0x11
#define FAMILY_TCP6   0x21
#define FAMILY_UNIX   0x31 /* a stream */
#define TLV_CRC32C    0x03

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static unsigned int read_16(const uint8_t *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

static void write_16(uint8_t *to, unsigned int value)
{
	to[0] = value >> 8;
	to[1] = value;
}

/* Of the header with its checksum, at `hole`, as 0. */
static uint32_t crc32c(const uint8_t *bytes, size_t size, size_t hole)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < size; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* What stands behind the addresses. */
static bool check_tlvs(const uint8_t *bytes, size_t at, size_t size)
{
	while (at < size) {
		size_t length;

		if (size - at < 3)
			return false;
		length = read_16(bytes + at + 1);
		if (size - at - 3 < length)
			return false;
		if (bytes[at] == TLV_CRC32C) {
			uint32_t sum;

			if (length != sizeof(sum))
				return false;
			memcpy(&sum, bytes + at + 3, sizeof(sum));
			if (ntohl(sum) != crc32c(bytes, size, at + 3))
				return false;
		}
		at += 3 + length;
	}
	return true;
}

/* How long the addresses of a family are; -1: none that can be on a TCP connection. */
static int addresses_size(uint8_t family)
{
	switch (family) {
	case FAMILY_UNSPEC:
		return 0;
	case FAMILY_TCP4:
		return 2 * 4 + 4;
	case FAMILY_TCP6:
		return 2 * 16 + 4;
	case FAMILY_UNIX:
		return 2 * 108;
	default:
		return -1;
	}
}

static void read_addresses(const uint8_t *bytes, bool ipv4, struct proxy_header *ret)
{
	size_t size = ipv4 ? 4 : 16, skip = 16 - size;

	ret->client = ret->dialled = endpoint_any(ipv4, 0);
	memcpy(ret->client.address + skip, bytes, size);
	memcpy(ret->dialled.address + skip, bytes + size, size);
	ret->client.port = read_16(bytes + 2 * size);
	ret->dialled.port = read_16(bytes + 2 * size + 2);
	ret->known = true;
}

static ssize_t read_version_2(const uint8_t *bytes, size_t size, struct proxy_header *ret)
{
	size_t whole;
	int addresses;

	if (size < FIXED)
		return 0;
	whole = FIXED + read_16(bytes + 14);
	if (whole > PROXY_HEADER_READ_MAX)
		return -EPROTO;
	if (bytes[12] == (VERSION_2 | COMMAND_LOCAL)) /* whatever else it says is to be passed over */
		return size < whole ? 0 : (ssize_t)whole;
	addresses = addresses_size(bytes[13]);
	if (bytes[12] != (VERSION_2 | COMMAND_PROXY) || addresses < 0 || whole < FIXED + (size_t)addresses)
		return -EPROTO;
	if (size < whole)
		return 0;
	if (!check_tlvs(bytes, FIXED + addresses, whole))
		return -EPROTO;
	if (bytes[13] == FAMILY_TCP4 || bytes[13] == FAMILY_TCP6)
		read_addresses(bytes + FIXED, bytes[13] == FAMILY_TCP4, ret);
	return (ssize_t)whole;
}

/* --- Both --- */

/* Does it begin like this, as far as it has come? */
static bool begins(const uint8_t *bytes, size_t size, const void *with, size_t length)
{
	return memcmp(bytes, with, size < length ? size : length) == 0;
}

ssize_t proxy_header_read(const uint8_t *bytes, size_t size, struct proxy_header *ret)
{
	*ret = (struct proxy_header){ .known = false };
	if (begins(bytes, size, signature, sizeof(signature)))
		return read_version_2(bytes, size, ret);
	if (begins(bytes, size, line_begin, sizeof(line_begin) - 1))
		return read_version_1((const char *)bytes, size, ret);
	return -EPROTO;
}

static size_t write_fixed(uint8_t *to, uint8_t command, uint8_t family, size_t addresses)
{
	memcpy(to, signature, sizeof(signature));
	to[12] = VERSION_2 | command;
	to[13] = family;
	write_16(to + 14, addresses);
	return FIXED + addresses;
}

/* Addresses of two families become two of IPv6, as which they are held here anyway. */
size_t proxy_header_write(const struct rcxlb_endpoint *client, const struct rcxlb_endpoint *dialled,
			  uint8_t to[static PROXY_HEADER_WRITTEN_MAX])
{
	bool ipv4 = endpoint_is_ipv4(client) && endpoint_is_ipv4(dialled);
	size_t size = ipv4 ? 4 : 16, skip = 16 - size;

	memcpy(to + FIXED, client->address + skip, size);
	memcpy(to + FIXED + size, dialled->address + skip, size);
	write_16(to + FIXED + 2 * size, client->port);
	write_16(to + FIXED + 2 * size + 2, dialled->port);
	return write_fixed(to, COMMAND_PROXY, ipv4 ? FAMILY_TCP4 : FAMILY_TCP6, 2 * size + 4);
}

size_t proxy_header_write_local(uint8_t to[static PROXY_HEADER_WRITTEN_MAX])
{
	return write_fixed(to, COMMAND_LOCAL, FAMILY_UNSPEC, 0);
}
