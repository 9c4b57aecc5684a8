// SPDX-License-Identifier: BSD-2-Clause
#include "core/http_own.h"

const uint16_t http_own_statuses[HTTP_OWN_STATUSES] = { 200, 301, 308, 400, 404, 408, 413, 414,
							417, 421, 431, 501, 502, 503, 504, 505 };

const char *const http_own_names[HTTP_OWN_STATUSES] = { "200", "301", "308", "400", "404", "408", "413", "414",
							"417", "421", "431", "501", "502", "503", "504", "505" };

unsigned int http_own_index(int status)
{
	unsigned int i = 0;

	while (i + 1 < HTTP_OWN_STATUSES && http_own_statuses[i] != status)
		i++;
	return i;
}
