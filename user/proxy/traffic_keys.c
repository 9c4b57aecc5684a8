// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/traffic_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define LABEL_MAX 32
#define IV_SIZE	  12

const char *traffic_cipher_name(enum traffic_cipher cipher)
{
	static const char *const names[] = { "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305" };

	return names[cipher];
}

/*
 * HkdfLabel: uint16 length, opaque label<7..255> = "tls13 " + label, opaque context<0..255>; then HKDF-Expand (RFC 5869
 * section 2.3), whose first block is HMAC(secret, info | 0x01).
 */
bool traffic_expand(const struct traffic_secret *secret, const char *label, unsigned char *to, size_t size)
{
	static const char prefix[] = "tls13 ";
	const EVP_MD *md = secret->size == 48 ? EVP_sha384() : EVP_sha256();
	unsigned char info[2 + 1 + sizeof(prefix) - 1 + LABEL_MAX + 1 + 1], block[EVP_MAX_MD_SIZE];
	size_t length = strlen(label), at = 0;
	bool done;

	if (length > LABEL_MAX || size > secret->size || (int)secret->size != EVP_MD_get_size(md))
		return false;
	info[at++] = 0;
	info[at++] = (unsigned char)size;
	info[at++] = (unsigned char)(sizeof(prefix) - 1 + length);
	memcpy(info + at, prefix, sizeof(prefix) - 1);
	at += sizeof(prefix) - 1;
	memcpy(info + at, label, length);
	at += length;
	info[at++] = 0;
	info[at++] = 1;
	done = HMAC(md, secret->bytes, (int)secret->size, info, at, block, NULL);
	if (done)
		memcpy(to, block, size);
	OPENSSL_cleanse(block, sizeof(block));
	return done;
}

bool traffic_next(const struct traffic_secret *secret, struct traffic_secret *ret)
{
	ret->size = secret->size;
	return traffic_expand(secret, "traffic upd", ret->bytes, secret->size);
}

void traffic_probe_info(enum traffic_cipher cipher, unsigned short version, struct traffic_crypto_info *ret)
{
	static const struct {
		unsigned short type;
		unsigned int size;
	} kinds[] = {
		[TRAFFIC_AES_128_GCM] = { TLS_CIPHER_AES_GCM_128, sizeof(ret->aes_128_gcm) },
		[TRAFFIC_AES_256_GCM] = { TLS_CIPHER_AES_GCM_256, sizeof(ret->aes_256_gcm) },
		[TRAFFIC_CHACHA20_POLY1305] = { TLS_CIPHER_CHACHA20_POLY1305, sizeof(ret->chacha20_poly1305) },
	};

	memset(ret, 0, sizeof(*ret));
	ret->info.version = version;
	ret->info.cipher_type = kinds[cipher].type;
	ret->size = kinds[cipher].size;
}

/* The kernel keeps the first 4 bytes of a GCM nonce as "salt" and the rest as "iv". */
bool traffic_crypto_info(enum traffic_cipher cipher, const struct traffic_secret *secret,
			 struct traffic_crypto_info *ret)
{
	unsigned char iv[IV_SIZE];
	bool done = traffic_expand(secret, "iv", iv, sizeof(iv));

	traffic_probe_info(cipher, TLS_1_3_VERSION, ret);
	switch (cipher) {
	case TRAFFIC_AES_128_GCM:
		memcpy(ret->aes_128_gcm.salt, iv, sizeof(ret->aes_128_gcm.salt));
		memcpy(ret->aes_128_gcm.iv, iv + sizeof(ret->aes_128_gcm.salt), sizeof(ret->aes_128_gcm.iv));
		return done && traffic_expand(secret, "key", ret->aes_128_gcm.key, sizeof(ret->aes_128_gcm.key));
	case TRAFFIC_AES_256_GCM:
		memcpy(ret->aes_256_gcm.salt, iv, sizeof(ret->aes_256_gcm.salt));
		memcpy(ret->aes_256_gcm.iv, iv + sizeof(ret->aes_256_gcm.salt), sizeof(ret->aes_256_gcm.iv));
		return done && traffic_expand(secret, "key", ret->aes_256_gcm.key, sizeof(ret->aes_256_gcm.key));
	case TRAFFIC_CHACHA20_POLY1305:
		memcpy(ret->chacha20_poly1305.iv, iv, sizeof(ret->chacha20_poly1305.iv));
		return done &&
		       traffic_expand(secret, "key", ret->chacha20_poly1305.key, sizeof(ret->chacha20_poly1305.key));
	default:
		return false;
	}
}
