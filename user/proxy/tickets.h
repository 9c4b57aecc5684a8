/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of session tickets (RFC 5077 section 4, RFC 8446 section 4.6.1). They come from outside, so that all workers
 * have the same ones and a client may resume at any of them. Pure.
 */
#ifndef PROXY_TICKETS_H
#define PROXY_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define TICKET_NAME_SIZE 16
#define TICKET_KEYS_MAX	 3

/* 80 random bytes. The name is sent in the clear; it says which key a ticket is for. */
struct ticket_key {
	uint8_t name[TICKET_NAME_SIZE];
	uint8_t cipher[32]; /* AES-256-CBC */
	uint8_t mac[32];    /* HMAC-SHA-256 */
};

/* Newest first: it encrypts; all of them decrypt. With a count of 0 no tickets are given or taken. */
struct ticket_keys {
	unsigned int count;
	struct ticket_key keys[TICKET_KEYS_MAX];
};

/* -EINVAL with a sentence: too many keys, or two with one name. */
int ticket_keys_check(const struct ticket_keys *keys, struct error *error);

/* The key of that name or NULL; *newest: it is the one that encrypts, so a ticket made with it needs no renewal. */
const struct ticket_key *ticket_keys_find(const struct ticket_keys *keys, const uint8_t name[static TICKET_NAME_SIZE],
					  bool *newest);

/* A new key comes first. What was first still decrypts; the last of TICKET_KEYS_MAX is gone. */
void ticket_keys_rotate(struct ticket_keys *keys, const struct ticket_key *key);

#endif
