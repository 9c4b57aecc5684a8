// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a PROXY protocol header (make fuzz-proxy_header). What must hold: a header is seen when its last byte
 * has come, and not before; what comes behind it changes nothing; what was read is read again of what is written of it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/endpoint.h"
#include "proxy/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static void must_be_written(const struct proxy_header *header)
{
	uint8_t bytes[PROXY_HEADER_WRITTEN_MAX];
	size_t size = proxy_header_write(&header->client, &header->dialled, bytes);
	struct proxy_header again;

	must(proxy_header_read(bytes, size, &again) == (ssize_t)size);
	must(again.known && endpoint_equal(&again.client, &header->client));
	must(endpoint_equal(&again.dialled, &header->dialled));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
	struct proxy_header whole, part;
	ssize_t size = proxy_header_read(input, length, &whole);

	must(size <= (ssize_t)length && size <= PROXY_HEADER_READ_MAX);
	for (size_t cut = 0; cut < length && cut < 256; cut++) {
		ssize_t before = proxy_header_read(input, cut, &part);

		if (size > 0)
			must(before == (cut < (size_t)size ? 0 : size));
		else if (size == 0)
			must(before == 0);
		else
			must(before <= 0);
	}
	if (size > 0 && whole.known)
		must_be_written(&whole);
	return 0;
}
