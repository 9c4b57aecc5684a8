// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/ktls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* --- What the kernel can do --- */

/* Without a connection the kernel says ENOTCONN if it has TLS, and ENOENT if not. */
static bool has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return false;
	has = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 || errno == ENOTCONN;
	close(fd);
	return has;
}

/* The client's end of a new connection to a listener on the loopback interface, or -1. The other end is never taken. */
static int connect_loopback(int listener)
{
	struct sockaddr_in address = { 0 };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (getsockname(listener, (struct sockaddr *)&address, &size) ||
			connect(fd, (struct sockaddr *)&address, size))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool has_cipher(int listener, enum traffic_cipher cipher, uint16_t version)
{
	struct traffic_crypto_info info;
	int fd = connect_loopback(listener);
	bool has;

	if (fd < 0)
		return false;
	traffic_probe_info(cipher, version, &info);
	has = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 &&
	      setsockopt(fd, SOL_TLS, TLS_TX, &info.info, info.size) == 0 &&
	      setsockopt(fd, SOL_TLS, TLS_RX, &info.info, info.size) == 0;
	close(fd);
	return has;
}

void ktls_probe(struct ktls_support *ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener;

	*ret = (struct ktls_support){ .present = has_tls() };
	if (!ret->present)
		return;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return;
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(listener, 2 * TRAFFIC_CIPHERS) == 0)
		for (int cipher = 0; cipher < TRAFFIC_CIPHERS; cipher++)
			ret->ciphers[cipher] = has_cipher(listener, cipher, TLS_1_2_VERSION) &&
					       has_cipher(listener, cipher, TLS_1_3_VERSION);
	close(listener);
}

/* --- One connection --- */

const char *ktls_reason_text(enum ktls_reason reason)
{
	static const char *const texts[] = {
		[KTLS_COMPLETE] = "",
		[KTLS_NO_KERNEL] = "the kernel has no TLS (module tls)",
		[KTLS_NO_CIPHER] = "the kernel has not the cipher that the client chose",
		[KTLS_KEPT] = "OpenSSL keeps the records of this connection",
		[KTLS_READ_AHEAD] = "data came along with the handshake",
		[KTLS_NO_SECRET] = "the client's traffic secret is not known",
		[KTLS_REFUSED] = "the kernel did not take the keys",
	};

	return texts[reason];
}

const char *ktls_reason_name(enum ktls_reason reason)
{
	static const char *const names[] = {
		[KTLS_COMPLETE] = "both",   [KTLS_NO_KERNEL] = "no_kernel",   [KTLS_NO_CIPHER] = "no_cipher",
		[KTLS_KEPT] = "kept",	    [KTLS_READ_AHEAD] = "read_ahead", [KTLS_NO_SECRET] = "no_secret",
		[KTLS_REFUSED] = "refused",
	};

	return names[reason];
}

static int cipher_of(const SSL *ssl)
{
	switch (SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl))) {
	case NID_aes_128_gcm:
		return TRAFFIC_AES_128_GCM;
	case NID_aes_256_gcm:
		return TRAFFIC_AES_256_GCM;
	case NID_chacha20_poly1305:
		return TRAFFIC_CHACHA20_POLY1305;
	default:
		return -1;
	}
}

/* The client's first application data have sequence number 0: RFC 8446 section 5.3 counts anew with each key. */
static bool receive_in_kernel(int fd, const struct records *records)
{
	struct traffic_crypto_info info;
	bool done = traffic_crypto_info(records->cipher, &records->secrets.client, &info) &&
		    setsockopt(fd, SOL_TLS, TLS_RX, &info.info, info.size) == 0;

	OPENSSL_cleanse(&info, sizeof(info));
	return done;
}

static enum ktls_reason complete(SSL *ssl, const struct ktls_support *support, struct records *records,
				 struct ktls_result *result)
{
	int cipher = cipher_of(ssl);

	if (!support->present)
		return KTLS_NO_KERNEL;
	if (!result->sends)
		return cipher < 0 || !support->ciphers[cipher] ? KTLS_NO_CIPHER : KTLS_KEPT;
	if (SSL_has_pending(ssl))
		return KTLS_READ_AHEAD;
	records->cipher = cipher;
	records->tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	/* Also when OpenSSL has set both directions: a KeyUpdate needs them. */
	if (records->tls13 && !keylog_secrets(ssl, &records->secrets))
		return KTLS_NO_SECRET;
	if (!result->receives && !records->tls13)
		return KTLS_KEPT;
	if (!result->receives && !receive_in_kernel(SSL_get_fd(ssl), records))
		return KTLS_REFUSED;
	result->receives = true;
	return KTLS_COMPLETE;
}

struct ktls_result ktls_start(SSL *ssl, const struct ktls_support *support, struct records *records)
{
	struct ktls_result result = {
		.sends = BIO_get_ktls_send(SSL_get_wbio(ssl)),
		.receives = BIO_get_ktls_recv(SSL_get_rbio(ssl)),
	};

	*records = (struct records){ .tls13 = false };
	result.reason = complete(ssl, support, records, &result);
	if (result.reason != KTLS_COMPLETE)
		records_cleanse(records);
	return result;
}
