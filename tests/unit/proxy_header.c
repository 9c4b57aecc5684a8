// SPDX-License-Identifier: BSD-2-Clause
/* The PROXY protocol: what is read of each header, however it is cut, and what is written. */
#include "test.h"

#include <errno.h>

#include "core/endpoint.h"
#include "proxy/proxy_header.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
/* As many bytes as the literal has, without the final 0. */
#define BYTES(text) text, sizeof(text) - 1

#define REFUSED "refused"
#define OWN	"its own" /* the connection stays the proxy's */

#define ADDRESSES_4 "\xc0\x00\x02\x01\xc6\x33\x64\x07\x9c\x40\x01\xbb"
#define ADDRESSES_6                                                                                                    \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x9c\x40\x01\xbb"
#define UNIX_108                                                                                                       \
	"/a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"   \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define FOUR "192.0.2.1:40000 198.51.100.7:443"
#define SIX  "[2001:db8::1]:40000 [2001:db8::2]:443"

static const struct {
	const char *about;
	const char *bytes;
	size_t size;
	const char *result; /* REFUSED, OWN, or client and dialled */
} rows[] = {
	{ "1: IPv4", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 40000 443\r\n"), FOUR },
	{ "1: IPv6", BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n"), SIX },
	{ "1: IPv4 in IPv6", BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 40000 443\r\n"), FOUR },
	{ "1: the longest",
	  BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		"65535 65535\r\n"),
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ "1: unknown", BYTES("PROXY UNKNOWN\r\n"), OWN },
	{ "1: unknown, with more", BYTES("PROXY UNKNOWN ffff:f...f:ffff 65535\r\n"), OWN },
	{ "1: another family", BYTES("PROXY UDP4 192.0.2.1 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: small letters", BYTES("proxy TCP4 192.0.2.1 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: an IPv6 address where IPv4 is said", BYTES("PROXY TCP4 2001:db8::1 198.51.100.7 40000 443\r\n"),
	  REFUSED },
	{ "1: an IPv4 address where IPv6 is said", BYTES("PROXY TCP6 192.0.2.1 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: zeros before a number of the address", BYTES("PROXY TCP4 192.0.02.1 198.51.100.7 40000 443\r\n"),
	  REFUSED },
	{ "1: three numbers", BYTES("PROXY TCP4 192.0.2 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: zeros before the port", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 040 443\r\n"), REFUSED },
	{ "1: port 0", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 0 443\r\n"), "192.0.2.1:0 198.51.100.7:443" },
	{ "1: a port too large", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n"), REFUSED },
	{ "1: a port with a sign", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 +40 443\r\n"), REFUSED },
	{ "1: one port", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 40000\r\n"), REFUSED },
	{ "1: three ports", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 40000 443 80\r\n"), REFUSED },
	{ "1: a space at the end", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 40000 443 \r\n"), REFUSED },
	{ "1: two spaces", BYTES("PROXY TCP4  192.0.2.1 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: a tab", BYTES("PROXY TCP4\t192.0.2.1 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: a zero byte behind the address", BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: a zero byte behind the port", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 400\0 443\r\n"), REFUSED },
	{ "1: LF alone", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 40000 443\n"), REFUSED },
	{ "1: CR in the middle", BYTES("PROXY TCP4 192.0.2.1\r198.51.100.7 40000 443\r\n"), REFUSED },
	{ "1: nothing behind the name", BYTES("PROXY \r\n"), REFUSED },
	{ "1: an empty line", BYTES("PROXY\r\n"), REFUSED },
	{ "1: a line without end",
	  BYTES("PROXY UNKNOWN "
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		"123\r\n"),
	  REFUSED },
	{ "2: IPv4", BYTES(SIG "\x21\x11\0\x0c" ADDRESSES_4), FOUR },
	{ "2: IPv6", BYTES(SIG "\x21\x21\0\x24" ADDRESSES_6), SIX },
	{ "2: with TLVs", BYTES(SIG "\x21\x11\0\x15" ADDRESSES_4 "\x04\0\0\xea\0\x03vpc"), FOUR },
	{ "2: with its checksum", BYTES(SIG "\x21\x11\0\x13" ADDRESSES_4 "\x03\0\x04\xb9\x96\x52\xf9"), FOUR },
	{ "2: with another checksum", BYTES(SIG "\x21\x11\0\x13" ADDRESSES_4 "\x03\0\x04\xb9\x96\x52\xf8"), REFUSED },
	{ "2: a checksum of three bytes", BYTES(SIG "\x21\x11\0\x12" ADDRESSES_4 "\x03\0\x03\xcf\x87\x14"), REFUSED },
	{ "2: its own", BYTES(SIG "\x20\0\0\0"), OWN },
	{ "2: its own, with addresses", BYTES(SIG "\x20\x11\0\x0c" ADDRESSES_4), OWN },
	{ "2: of no family", BYTES(SIG "\x21\0\0\0"), OWN },
	{ "2: of a local socket", BYTES(SIG "\x21\x31\0\xd8" UNIX_108 UNIX_108), OWN },
	{ "2: UDP", BYTES(SIG "\x21\x12\0\x0c" ADDRESSES_4), REFUSED },
	{ "2: a family that there is not", BYTES(SIG "\x21\x41\0\x0c" ADDRESSES_4), REFUSED },
	{ "2: another version", BYTES(SIG "\x11\x11\0\x0c" ADDRESSES_4), REFUSED },
	{ "2: another command", BYTES(SIG "\x22\x11\0\x0c" ADDRESSES_4), REFUSED },
	{ "2: shorter than its addresses", BYTES(SIG "\x21\x11\0\x0b" ADDRESSES_4), REFUSED },
	{ "2: a TLV of two bytes", BYTES(SIG "\x21\x11\0\x0e" ADDRESSES_4 "\x04\0"), REFUSED },
	{ "2: a TLV that is longer than the rest", BYTES(SIG "\x21\x11\0\x0f" ADDRESSES_4 "\x04\0\x01"), REFUSED },
	{ "2: longer than it may be", BYTES(SIG "\x21\x11\x10\0" ADDRESSES_4), REFUSED },
	{ "another signature", BYTES("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" ADDRESSES_4), REFUSED },
	{ "TLS", BYTES("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), REFUSED },
	{ "HTTP", BYTES("GET / HTTP/1.1\r\n\r\n"), REFUSED },
	{ "HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\n"), REFUSED },
};

static const char *result_of(ssize_t length, const struct proxy_header *header, char *to)
{
	char client[RCXLB_TEXT_LEN], dialled[RCXLB_TEXT_LEN];

	if (length < 0)
		return REFUSED;
	if (!header->known)
		return OWN;
	sprintf(to, "%s %s", endpoint_format(&header->client, client), endpoint_format(&header->dialled, dialled));
	return to;
}

/* With what follows it: the result is the same, and the length its own. */
static void what_is_read(void **state)
{
	char text[2 * RCXLB_TEXT_LEN];
	struct proxy_header header;
	uint8_t bytes[512];

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		ssize_t length;

		memcpy(bytes, rows[i].bytes, rows[i].size);
		strcpy((char *)bytes + rows[i].size, "GET /\r\n");
		length = proxy_header_read(bytes, rows[i].size + 7, &header);
		check(!strcmp(result_of(length, &header, text), rows[i].result), rows[i].about);
		check(length < 0 || (size_t)length == rows[i].size, rows[i].about);
	}
}

/* Nothing is decided before the end of a good one; a bad one may be refused before. */
static void what_is_read_when_it_comes_in_pieces(void **state)
{
	struct proxy_header header;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		bool refused = !strcmp(rows[i].result, REFUSED), was_refused = false;

		for (size_t size = 0; size < rows[i].size; size++) {
			/* Of its own, so that a reader past the end is found by the sanitizers. */
			uint8_t *bytes = malloc(size + !size);
			ssize_t length;

			assert_non_null(bytes);
			memcpy(bytes, rows[i].bytes, size);
			length = proxy_header_read(bytes, size, &header);
			check(length == 0 || (refused && length == -EPROTO), rows[i].about);
			check(!was_refused || length == -EPROTO, rows[i].about);
			was_refused = length < 0;
			free(bytes);
		}
	}
}

static void what_is_written_is_read_again(void **state)
{
	static const struct {
		const char *about, *client, *dialled;
		size_t length;
	} pairs[] = {
		{ "IPv4", "192.0.2.1:40000", "198.51.100.7:443", 28 },
		{ "IPv6", "[2001:db8::1]:40000", "[2001:db8::2]:443", 52 },
		{ "IPv6 to IPv4", "[2001:db8::1]:40000", "198.51.100.7:443", 52 },
	};
	uint8_t bytes[PROXY_HEADER_WRITTEN_MAX];
	struct rcxlb_endpoint client, dialled;
	struct proxy_header header;
	struct error error;

	(void)state;
	for (size_t i = 0; i < LENGTH(pairs); i++) {
		assert_int_equal(endpoint_parse(pairs[i].client, false, &client, &error), 0);
		assert_int_equal(endpoint_parse(pairs[i].dialled, false, &dialled, &error), 0);
		check(proxy_header_write(&client, &dialled, bytes) == pairs[i].length, pairs[i].about);
		check(proxy_header_read(bytes, pairs[i].length, &header) == (ssize_t)pairs[i].length, pairs[i].about);
		check(header.known && endpoint_equal(&header.client, &client), pairs[i].about);
		check(endpoint_equal(&header.dialled, &dialled), pairs[i].about);
	}
	assert_int_equal(proxy_header_write_local(bytes), 16);
	assert_int_equal(proxy_header_read(bytes, 16, &header), 16);
	assert_false(header.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read),
		cmocka_unit_test(what_is_read_when_it_comes_in_pieces),
		cmocka_unit_test(what_is_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
