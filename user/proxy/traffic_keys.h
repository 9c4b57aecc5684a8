/* SPDX-License-Identifier: BSD-2-Clause */
/* From a TLS 1.3 traffic secret to what the kernel wants to be told (RFC 8446 sections 7.1 to 7.3). No system call. */
#ifndef PROXY_TRAFFIC_KEYS_H
#define PROXY_TRAFFIC_KEYS_H

#include <linux/tls.h>
#include <stdbool.h>
#include <stddef.h>

#define SECRET_MAX 48 /* SHA-384 */

/* The ciphers that the kernel has and a client may have chosen with us. */
enum traffic_cipher {
	TRAFFIC_AES_128_GCM,
	TRAFFIC_AES_256_GCM,
	TRAFFIC_CHACHA20_POLY1305,
	TRAFFIC_CIPHERS,
};

/* Of one direction. The hash is SHA-384 when the size is 48, and SHA-256 when it is 32. */
struct traffic_secret {
	unsigned int size;
	unsigned char bytes[SECRET_MAX];
};

/* For setsockopt(SOL_TLS, TLS_TX or TLS_RX). */
struct traffic_crypto_info {
	union {
		struct tls_crypto_info info;
		struct tls12_crypto_info_aes_gcm_128 aes_128_gcm;
		struct tls12_crypto_info_aes_gcm_256 aes_256_gcm;
		struct tls12_crypto_info_chacha20_poly1305 chacha20_poly1305;
	};
	unsigned int size;
};

const char *traffic_cipher_name(enum traffic_cipher cipher);

/* HKDF-Expand-Label(secret, label, "", size), RFC 8446 section 7.1. At most one block of the hash: size <= secret's. */
bool traffic_expand(const struct traffic_secret *secret, const char *label, unsigned char *to, size_t size);

/* The secret after a KeyUpdate, RFC 8446 section 7.2. */
bool traffic_next(const struct traffic_secret *secret, struct traffic_secret *ret);

/* Key and IV of a secret (RFC 8446 section 7.3) with sequence number 0 (section 5.3). Holds a key: to be cleansed. */
bool traffic_crypto_info(enum traffic_cipher cipher, const struct traffic_secret *secret,
			 struct traffic_crypto_info *ret);

/* Zero keys: to find out whether the kernel takes the cipher. `version`: TLS_1_2_VERSION or TLS_1_3_VERSION. */
void traffic_probe_info(enum traffic_cipher cipher, unsigned short version, struct traffic_crypto_info *ret);

#endif
