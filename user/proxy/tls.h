/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service's TLS server needs: TLS 1.2 and 1.3 with the ciphers and groups of Mozilla's "intermediate" guideline
 * 5.8 (which has ECDHE and AEAD only), ALPN http/1.1, a certificate by the name asked for, stateless resumption.
 * No compression, no early data, no renegotiation. Made from memory: nothing here opens a file.
 *
 * A context is counted and never changes, but for the ticket keys: a new certificate is a new context for new
 * handshakes, and the old one goes with the last handshake that uses it. Not for use by several threads.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "core/error.h"
#include "proxy/identity.h"
#include "proxy/tickets.h"

/* A session may be resumed this long after its handshake; the oldest ticket key should live as long. */
#define TLS_SESSION_SECONDS 14400

struct tls_material {
	const char *service; /* a session of one service cannot be resumed at another */
	/* At least one. Who asks for no name, or for one that none has, gets the first (and those beside it). */
	const struct identity_pem *identities;
	unsigned int count;
};

struct tls_context;

/*
 * `keys` is looked at in each handshake, may change between them, and must live as long as the context. With `ktls` the
 * kernel is asked to take over the records, and the secrets that ktls.h needs for it are kept. Errors: as
 * identity_parse(); *warning is the first one, or empty. The caller holds one reference.
 */
int tls_context_new(const struct tls_material *material, const struct ticket_keys *keys, bool ktls,
		    struct tls_context **ret, struct error *warning, struct error *error);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* The server's side of a handshake on a connected socket, which stays the caller's to close. NULL: no memory. The
 * caller keeps a reference on the context until the handshake is over. */
SSL *tls_accept(struct tls_context *context, int fd);

#endif
