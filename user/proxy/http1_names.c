// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_names.h"

#include <string.h>

#include "proxy/http1_chars.h"

#define LONGEST 17

struct known {
	const char *name;
	enum http1_name id;
};

/* By length, then in any order; folded as http1_folded folds. */
static const struct known known[LONGEST + 1][4] = {
	[2] = { { "te", HTTP1_TE } },
	[3] = { { "via", HTTP1_VIA } },
	[4] = { { "host", HTTP1_HOST } },
	[6] = { { "expect", HTTP1_EXPECT } },
	[7] = { { "upgrade", HTTP1_UPGRADE }, { "trailer", HTTP1_TRAILER } },
	[9] = { { "x-real-ip", HTTP1_X_REAL_IP }, { "forwarded", HTTP1_FORWARDED } },
	[10] = { { "connection", HTTP1_CONNECTION }, { "keep-alive", HTTP1_KEEP_ALIVE } },
	[14] = { { "content-length", HTTP1_CONTENT_LENGTH }, { "http2-settings", HTTP1_HTTP2_SETTINGS } },
	[15] = { { "x-forwarded-for", HTTP1_X_FORWARDED_FOR } },
	[16] = { { "x-forwarded-host", HTTP1_X_FORWARDED_HOST },
		 { "x-forwarded-port", HTTP1_X_FORWARDED_PORT },
		 { "proxy-connection", HTTP1_PROXY_CONNECTION } },
	[17] = { { "x-forwarded-proto", HTTP1_X_FORWARDED_PROTO }, { "transfer-encoding", HTTP1_TRANSFER_ENCODING } },
};

static bool is_folded(const char *text, const char *folded, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (http1_folded[(uint8_t)text[i]] != (uint8_t)folded[i])
			return false;
	return true;
}

/* Is a character in it that only folding makes a `-`? */
static bool is_odd(struct http1_span name)
{
	for (size_t i = 0; i < name.length; i++)
		if (http1_folded[(uint8_t)name.at[i]] == '-' && name.at[i] != '-')
			return true;
	return false;
}

enum http1_name http1_name_of(struct http1_span name, bool *odd)
{
	static const char prefix[] = "x-forwarded-";
	enum http1_name id = HTTP1_OTHER;

	if (name.length <= LONGEST)
		for (const struct known *k = known[name.length]; k->name && !id; k++)
			if (is_folded(name.at, k->name, name.length))
				id = k->id;
	if (!id && name.length >= sizeof(prefix) - 1 && is_folded(name.at, prefix, sizeof(prefix) - 1))
		id = HTTP1_X_FORWARDED_MORE;
	*odd = id && is_odd(name);
	return id;
}
