// SPDX-License-Identifier: BSD-2-Clause
#include "core/health.h"

#include <stddef.h>

bool health_note(struct health *health, bool good, uint32_t rise, uint32_t fall)
{
	bool is_up = health->state != RCXLB_HEALTH_DOWN;
	uint32_t needed = is_up ? fall : rise;

	if (good && health->state == RCXLB_HEALTH_UNKNOWN) {
		*health = (struct health){ .state = RCXLB_HEALTH_UP };
		return true;
	}
	if (good == is_up) {
		health->row = 0;
		return false;
	}
	if (++health->row < needed)
		return false;
	*health = (struct health){ .state = good ? RCXLB_HEALTH_UP : RCXLB_HEALTH_DOWN };
	return true;
}

static const char *const paths[] = { "/readyz", "/livez", "/health", "/api/info" };

const char *health_path(uint32_t which)
{
	return which < sizeof(paths) / sizeof(paths[0]) ? paths[which] : NULL;
}

bool health_path_is_missing(uint32_t status)
{
	return status >= 400 && status < 500 && status != 408 && status != 429;
}
