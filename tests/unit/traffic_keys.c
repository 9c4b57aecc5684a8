// SPDX-License-Identifier: BSD-2-Clause
/* The vectors are those of RFC 8448 section 3 ("Simple 1-RTT Handshake"): secret, key and iv of each direction. */
#include "test.h"

#include <openssl/crypto.h>

#include "proxy/traffic_keys.h"

static const struct {
	const char *sentence, *secret, *key, *iv;
} rows[] = {
	{ "server, handshake", "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
	  "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30" },
	{ "client, handshake", "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
	  "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f" },
	{ "server, application data", "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
	  "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984" },
	{ "client, application data", "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
	  "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9" },
};

static size_t hex(const char *text, unsigned char *to, size_t size)
{
	size_t length = 0;

	assert_true(OPENSSL_hexstr2buf_ex(to, size, &length, text, 0));
	return length;
}

static struct traffic_secret secret_of(const char *text)
{
	struct traffic_secret secret;

	secret.size = (unsigned int)hex(text, secret.bytes, sizeof(secret.bytes));
	return secret;
}

static void expansion_gives_the_published_keys(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct traffic_secret secret = secret_of(rows[r].secret);
		unsigned char key[16], iv[12], made[16];

		hex(rows[r].key, key, sizeof(key));
		hex(rows[r].iv, iv, sizeof(iv));
		check(traffic_expand(&secret, "key", made, sizeof(key)), rows[r].sentence);
		check(memcmp(made, key, sizeof(key)) == 0, rows[r].sentence);
		check(traffic_expand(&secret, "iv", made, sizeof(iv)), rows[r].sentence);
		check(memcmp(made, iv, sizeof(iv)) == 0, rows[r].sentence);
	}
}

static void the_kernel_gets_them_in_its_own_order(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct traffic_secret secret = secret_of(rows[r].secret);
		struct traffic_crypto_info info;
		unsigned char key[16], iv[12], zero[8] = { 0 };

		hex(rows[r].key, key, sizeof(key));
		hex(rows[r].iv, iv, sizeof(iv));
		assert_true(traffic_crypto_info(TRAFFIC_AES_128_GCM, &secret, &info));
		assert_int_equal(info.size, sizeof(struct tls12_crypto_info_aes_gcm_128));
		assert_int_equal(info.info.version, TLS_1_3_VERSION);
		assert_int_equal(info.info.cipher_type, TLS_CIPHER_AES_GCM_128);
		assert_memory_equal(info.aes_128_gcm.key, key, sizeof(key));
		assert_memory_equal(info.aes_128_gcm.salt, iv, 4);
		assert_memory_equal(info.aes_128_gcm.iv, iv + 4, 8);
		assert_memory_equal(info.aes_128_gcm.rec_seq, zero, 8);
		assert_true(traffic_crypto_info(TRAFFIC_CHACHA20_POLY1305, &secret, &info));
		assert_int_equal(info.size, sizeof(struct tls12_crypto_info_chacha20_poly1305));
		assert_memory_equal(info.chacha20_poly1305.iv, iv, 12);
		assert_memory_equal(info.chacha20_poly1305.rec_seq, zero, 8);
	}
}

static void what_cannot_be_expanded_is_refused(void **state)
{
	struct traffic_secret secret = secret_of(rows[0].secret), next;
	unsigned char made[64];

	(void)state;
	assert_false(traffic_expand(&secret, "key", made, 33));
	assert_false(traffic_expand(&secret, "a label that is longer than any TLS has", made, 16));
	assert_true(traffic_next(&secret, &next));
	assert_int_equal(next.size, 32);
	assert_true(memcmp(next.bytes, secret.bytes, 32) != 0);
	secret.size = 31;
	assert_false(traffic_expand(&secret, "key", made, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion_gives_the_published_keys),
		cmocka_unit_test(the_kernel_gets_them_in_its_own_order),
		cmocka_unit_test(what_cannot_be_expanded_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
