/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's certificate chain and private key: from PEM in memory, no file system needed. */
#ifndef PROXY_IDENTITY_H
#define PROXY_IDENTITY_H

#include <openssl/ssl.h>
#include <stddef.h>

#include "core/error.h"

/* As it comes from files (identity_file.h) and travels to a worker. */
struct identity_pem {
	char *name; /* what to call it in messages: the certificate's file */
	char *chain;
	size_t chain_size;
	char *key_name;
	char *key;
	size_t key_size;
};

/* An identity can stand beside one of another kind: the client's signature algorithms choose. */
enum identity_kind { IDENTITY_RSA, IDENTITY_ECDSA, IDENTITY_ED25519, IDENTITY_KINDS };

struct identity {
	enum identity_kind kind;
	X509 *leaf;
	STACK_OF(X509) * chain; /* without the leaf */
	EVP_PKEY *key;
	char **names; /* normalized, wildcards among them */
	unsigned int names_count;
};

/*
 * Parses it; the caller frees with identity_free(). Errors name the file and what to do: -EINVAL. What a server can run
 * with and should not (expired, not yet valid, covers no name) is said in *warning, which is empty otherwise.
 */
int identity_parse(const struct identity_pem *pem, struct identity *ret, struct error *warning, struct error *error);
void identity_free(struct identity *identity);

/* A copy of its own; -ENOMEM. */
int identity_pem_copy(const struct identity_pem *pem, struct identity_pem *ret);

/* Frees the bytes, keys overwritten. */
void identity_pem_free(struct identity_pem *pem);

#endif
