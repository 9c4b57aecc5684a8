/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS in the kernel: what it can do here, and giving it a connection after the handshake.
 *
 * OpenSSL 3.0 gives the kernel both directions of TLS 1.2 and the sending of TLS 1.3 itself, and from 3.2 on all four.
 * What is missing is done here, with keys derived from the client's traffic secret.
 */
#ifndef PROXY_KTLS_H
#define PROXY_KTLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "proxy/records.h"
#include "proxy/traffic_keys.h"

/* What the kernel that runs has. */
struct ktls_support {
	bool present;
	bool ciphers[TRAFFIC_CIPHERS]; /* both ways, of TLS 1.2 and 1.3 */
};

/* Asks the kernel by means of a connection of the loopback interface; modules are loaded where that is permitted. */
void ktls_probe(struct ktls_support *ret);

/* Why a connection's records are not all in the kernel's hands. */
enum ktls_reason {
	KTLS_COMPLETE,	 /* they are */
	KTLS_NO_KERNEL,	 /* the kernel has no TLS */
	KTLS_NO_CIPHER,	 /* it has not the cipher that was agreed on */
	KTLS_KEPT,	 /* OpenSSL keeps them, as when the client asked for short records */
	KTLS_READ_AHEAD, /* OpenSSL has read what came after the handshake */
	KTLS_NO_SECRET,	 /* the client's traffic secret is not known */
	KTLS_REFUSED,	 /* the kernel did not take the keys */
	KTLS_REASONS,
};

/* In words, for people; and as one word. */
const char *ktls_reason_text(enum ktls_reason reason);
const char *ktls_reason_name(enum ktls_reason reason);

struct ktls_result {
	bool sends;    /* the kernel encrypts */
	bool receives; /* the kernel decrypts */
	enum ktls_reason reason;
};

/*
 * After a handshake, before anything is read or written. When the reason is KTLS_COMPLETE, *records takes the
 * connection over: `ssl` must not be used any more and may be freed (without SSL_shutdown). Otherwise it goes on with
 * `ssl`.
 */
struct ktls_result ktls_start(SSL *ssl, const struct ktls_support *support, struct records *records);

#endif
