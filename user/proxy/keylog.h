/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traffic secrets of a TLS 1.3 connection (RFC 8446 section 7.1), taken from OpenSSL's key log: it has no other way
 * to give them, and the kernel needs what is derived from them.
 */
#ifndef PROXY_KEYLOG_H
#define PROXY_KEYLOG_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "proxy/traffic_keys.h"

/* Of the application data that each side sends first. A size of 0: not known. */
struct traffic_secrets {
	struct traffic_secret client, server;
};

/* All connections of the context keep theirs from now on, until they are freed. */
void keylog_enable(SSL_CTX *context);

/* Copies them. False when they are not known, as with TLS 1.2. */
bool keylog_secrets(const SSL *ssl, struct traffic_secrets *ret);

#endif
