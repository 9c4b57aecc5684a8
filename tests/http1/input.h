/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzer's inputs are: INPUT_HEAD bytes of settings, then the stream. */
#ifndef INPUT_H
#define INPUT_H

#include "trip.h"

#define INPUT_HEAD 3

static const struct http1_header input_set[] = { { { "X-Site", 6 }, { "ours", 4 } } };

enum input_flag {
	INPUT_ANSWERS = 1 << 0,
	/* Of requests. */
	INPUT_TRUSTED = 1 << 1,
	INPUT_SECURE = 1 << 2,
	INPUT_IPV6 = 1 << 3,
	INPUT_CLOSE = 1 << 4,
	/* Of answers. */
	INPUT_TO_HEAD = 1 << 1,
	INPUT_TO_UPGRADE = 1 << 2,
	INPUT_TO_HTTP10 = 1 << 3,
	INPUT_TO_CLOSE = 1 << 4,
	/* Of both. */
	INPUT_SET = 1 << 5,
	INPUT_LIMITED = 1 << 6,
	INPUT_SEVERAL = 1 << 7,
};

/* Returns where the stream begins. */
static inline size_t input_settings(const uint8_t *input, size_t length, struct trip_settings *settings,
				    struct trip_cut *cut)
{
	uint8_t flags = length > 0 ? input[0] : 0;

	*settings = (struct trip_settings){ .answers = flags & INPUT_ANSWERS };
	if (settings->answers) {
		settings->to_head = flags & INPUT_TO_HEAD;
		settings->to_upgrade = flags & INPUT_TO_UPGRADE;
		settings->to_http10 = flags & INPUT_TO_HTTP10;
		settings->to_close = flags & INPUT_TO_CLOSE;
		/* Behind one that closes, no other reaches the client. */
		settings->asked = flags & INPUT_SEVERAL && !settings->to_http10 && !settings->to_close ? 4 : 1;
	} else {
		settings->trusted = flags & INPUT_TRUSTED;
		settings->secure = flags & INPUT_SECURE;
		settings->ipv6 = flags & INPUT_IPV6;
		settings->close = flags & INPUT_CLOSE;
	}
	settings->set = input_set;
	settings->set_count = flags & INPUT_SET ? 1 : 0;
	if (flags & INPUT_LIMITED) {
		settings->head_limit = 200;
		settings->fields_limit = 5;
		settings->target_limit = 20;
		settings->body_limit = 10;
	}
	cut->first = length > 1 ? input[1] : 0;
	cut->every = length > 2 ? input[2] : 0;
	return length < INPUT_HEAD ? length : INPUT_HEAD;
}

static inline void input_from_settings(const struct trip_settings *settings, uint8_t to[INPUT_HEAD])
{
	uint8_t flags = settings->answers ? INPUT_ANSWERS : 0;

	flags |= settings->trusted || settings->to_head ? INPUT_TRUSTED : 0;
	flags |= settings->secure || settings->to_upgrade ? INPUT_SECURE : 0;
	flags |= settings->ipv6 || settings->to_http10 ? INPUT_IPV6 : 0;
	flags |= settings->close || settings->to_close ? INPUT_CLOSE : 0;
	flags |= settings->set_count ? INPUT_SET : 0;
	flags |= settings->head_limit || settings->fields_limit || settings->target_limit || settings->body_limit
		     ? INPUT_LIMITED
		     : 0;
	flags |= settings->asked > 1 ? INPUT_SEVERAL : 0;
	to[0] = flags;
	to[1] = 7;
	to[2] = 5;
}

#endif
