/* SPDX-License-Identifier: BSD-2-Clause */
/* What a row of checks says about a backend: rise and fall. Pure. */
#ifndef CORE_HEALTH_H
#define CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "rcxlb/abi.h"

struct health {
	uint32_t state; /* enum rcxlb_health_state */
	uint32_t row;	/* checks in a row that speak against it */
};

/*
 * Notes a check. True when the state is another one now. The first good check after nothing was known makes it up; what
 * is not known counts as up, so bad ones need their whole row.
 */
bool health_note(struct health *health, bool good, uint32_t rise, uint32_t fall);

/*
 * A path of Rocket.Chat's that tells of its health, best first: readyz and livez are those of newer versions. NULL
 * after the last: then nothing but accepting can be checked.
 */
const char *health_path(uint32_t which);

/*
 * Does this answer to one of those paths mean that the instance does not have it (an older version, or something
 * else)? Then the next one is to be tried; nothing was said about its health.
 */
bool health_path_is_missing(uint32_t status);

#endif
