// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/tickets.h"

#include <errno.h>
#include <string.h>

int ticket_keys_check(const struct ticket_keys *keys, struct error *error)
{
	if (keys->count > TICKET_KEYS_MAX)
		return failed(error, -EINVAL, "%u session ticket keys: at most %d can be used", keys->count,
			      TICKET_KEYS_MAX);
	for (unsigned int i = 0; i < keys->count; i++)
		for (unsigned int k = 0; k < i; k++)
			if (memcmp(keys->keys[i].name, keys->keys[k].name, TICKET_NAME_SIZE) == 0)
				return failed(error, -EINVAL,
					      "session ticket keys %u and %u have one name: draw their 80 bytes anew",
					      k + 1, i + 1);
	return 0;
}

const struct ticket_key *ticket_keys_find(const struct ticket_keys *keys, const uint8_t name[static TICKET_NAME_SIZE],
					  bool *newest)
{
	for (unsigned int i = 0; i < keys->count; i++) {
		if (memcmp(keys->keys[i].name, name, TICKET_NAME_SIZE) == 0) {
			*newest = i == 0;
			return &keys->keys[i];
		}
	}
	return NULL;
}

void ticket_keys_rotate(struct ticket_keys *keys, const struct ticket_key *key)
{
	if (keys->count < TICKET_KEYS_MAX)
		keys->count++;
	memmove(&keys->keys[1], &keys->keys[0], (keys->count - 1) * sizeof(keys->keys[0]));
	keys->keys[0] = *key;
}
