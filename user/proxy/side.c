// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/side.h"

#include <errno.h>
#include <linux/sockios.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_KEY_UPDATE 24
#define BARREN_MAX	     40000 /* more than two records have */

static void init(struct side *side, int fd, enum side_kind kind)
{
	*side = (struct side){ .fd = fd, .kind = kind };
}

void side_init_plain(struct side *side, int fd)
{
	init(side, fd, SIDE_PLAIN);
}

void side_init_kernel(struct side *side, int fd, struct records *records)
{
	init(side, fd, SIDE_KERNEL);
	side->records = records;
}

/*
 * OpenSSL answers a KeyUpdate with keys that it cannot give a kernel that already encrypts (3.0 to 3.5 at least): what
 * it sends then nobody can read. So such a connection ends there.
 */
static void on_message(int sent, int version, int type, const void *bytes, size_t size, SSL *ssl, void *arg)
{
	struct side *side = arg;

	(void)version;
	(void)ssl;
	if (!sent && type == SSL3_RT_HANDSHAKE && size && *(const unsigned char *)bytes == HANDSHAKE_KEY_UPDATE)
		side->refused = true;
}

/*
 * SSL_read() goes on until it has data or the socket has nothing more. Records that are no data, of which a peer may
 * send any number (KeyUpdates, what is about renegotiation), would keep it there, and everybody else waiting.
 */
static long on_bio(BIO *bio, int what, const char *to, size_t size, int i, long l, int ret, size_t *done)
{
	struct side *side = (struct side *)BIO_get_callback_arg(bio);

	(void)to;
	(void)size;
	(void)i;
	(void)l;
	if (what == (BIO_CB_READ | BIO_CB_RETURN) && ret > 0)
		side->barren += *done;
	if (what != BIO_CB_READ || side->barren <= BARREN_MAX)
		return ret;
	BIO_clear_retry_flags(bio);
	BIO_set_retry_read(bio);
	return -1;
}

void side_init_openssl(struct side *side, int fd, SSL *ssl)
{
	init(side, fd, SIDE_OPENSSL);
	side->ssl = ssl;
	BIO_set_callback_ex(SSL_get_rbio(ssl), on_bio);
	BIO_set_callback_arg(SSL_get_rbio(ssl), (char *)side);
	side->kernel_sends = BIO_get_ktls_send(SSL_get_wbio(ssl));
	if (side->kernel_sends && SSL_version(ssl) == TLS1_3_VERSION) {
		SSL_set_msg_callback(ssl, on_message);
		SSL_set_msg_callback_arg(ssl, side);
	}
}

void side_moved(struct side *side)
{
	if (side->kind != SIDE_OPENSSL)
		return;
	SSL_set_msg_callback_arg(side->ssl, side);
	BIO_set_callback_arg(SSL_get_rbio(side->ssl), (char *)side);
}

void side_unwatch(struct side *side)
{
	if (side->watching)
		event_del(&side->event);
	side->watching = 0;
}

int side_watch(struct side *side, struct event_base *base, short events, event_callback_fn callback, void *arg)
{
	short flags = events ? (short)(events | EV_PERSIST) : (short)SIDE_WATCH_ERRORS;

	/* From 6.0 to 6.4 the kernel says of a part of a record, for as long as it is one, that it can be read. */
	if (side->kind == SIDE_KERNEL && side->drained && (events & EV_READ))
		flags |= EV_ET;
	if (side->watching == flags)
		return 0;
	side_unwatch(side);
	if (event_assign(&side->event, base, side->fd, flags, callback, arg) || event_add(&side->event, NULL))
		return -ENOMEM;
	side->watching = flags;
	return 0;
}

/* --- Plain --- */

static ssize_t plain_read(int fd, void *to, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, to, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t plain_write(int fd, const void *from, size_t size)
{
	ssize_t n;

	do
		n = send(fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* --- OpenSSL --- */

/* What an operation that did not succeed comes to; *blocked: it waits for the other direction of the socket. */
static int openssl_failed(struct side *side, int ret, int waits_for, bool *blocked)
{
	int saved = errno;
	int error = SSL_get_error(side->ssl, ret);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		*blocked = error != waits_for;
		return -EAGAIN;
	}
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (error == SSL_ERROR_SYSCALL) {
		ERR_clear_error();
		return saved ? -saved : -ECONNRESET;
	}
	/* An alert from the peer is its wish to end; anything else was answered with an alert by OpenSSL. */
	side->refused = ERR_GET_REASON(ERR_peek_error()) < SSL_AD_REASON_OFFSET;
	ERR_clear_error();
	return side->refused ? -EPROTO : -ECONNRESET;
}

/* The end of the stream where OpenSSL does not call it one. */
static bool is_bare_end(const SSL *ssl, int ret)
{
	return SSL_get_error(ssl, ret) == SSL_ERROR_SYSCALL && errno == 0 && ERR_peek_error() == 0;
}

static ssize_t openssl_read(struct side *side, void *to, size_t size)
{
	int ret;

	side->read_blocked = false;
	ERR_clear_error();
	errno = 0;
	ret = SSL_read(side->ssl, to, size > INT_MAX ? INT_MAX : (int)size);
	if (ret > 0)
		side->barren = 0;
	else if (side->barren > BARREN_MAX)
		side->refused = true;
	if (side->refused)
		return -EPROTO;
	side->drained = ret <= 0;
	if (ret > 0)
		return ret;
	if (is_bare_end(side->ssl, ret)) {
		ERR_clear_error();
		return 0;
	}
	return openssl_failed(side, ret, SSL_ERROR_WANT_READ, &side->read_blocked);
}

static ssize_t openssl_write(struct side *side, const void *from, size_t size)
{
	int ret;

	side->write_blocked = false;
	ERR_clear_error();
	errno = 0;
	ret = SSL_write(side->ssl, from, size > INT_MAX ? INT_MAX : (int)size);
	if (ret > 0)
		return ret;
	ret = openssl_failed(side, ret, SSL_ERROR_WANT_WRITE, &side->write_blocked);
	return ret ? ret : -EPIPE;
}

static int openssl_finish(struct side *side)
{
	int ret;

	if (side->kernel_sends && !records_flushed(side->fd))
		return -EBUSY;
	ERR_clear_error();
	errno = 0;
	/* 0: sent, and the peer's own close_notify has not come yet, which is for side_read() to see. */
	ret = SSL_shutdown(side->ssl);
	if (ret < 0) {
		ret = openssl_failed(side, ret, SSL_ERROR_WANT_WRITE, &side->write_blocked);
		if (ret)
			return ret;
	}
	return shutdown(side->fd, SHUT_WR) ? -errno : 0;
}

/* --- The kernel's --- */

static ssize_t kernel_read(struct side *side, void *to, size_t size)
{
	ssize_t n = records_recv(side->records, side->fd, to, size);

	side->refused = n == -EPROTO || n == -EKEYREJECTED;
	/* Behind bytes nothing more is as usual. Nothing at all is less than the event loop had said. */
	side->drained = n == -EAGAIN && !side->had_bytes;
	side->had_bytes = n > 0;
	return n;
}

/* --- All kinds --- */

ssize_t side_read(struct side *side, void *to, size_t size)
{
	switch (side->kind) {
	case SIDE_KERNEL:
		return kernel_read(side, to, size);
	case SIDE_OPENSSL:
		return openssl_read(side, to, size);
	default:
		return plain_read(side->fd, to, size);
	}
}

ssize_t side_write(struct side *side, const void *from, size_t size)
{
	switch (side->kind) {
	case SIDE_KERNEL:
		return records_send(side->records, side->fd, from, size);
	case SIDE_OPENSSL:
		return openssl_write(side, from, size);
	default:
		return plain_write(side->fd, from, size);
	}
}

bool side_has_pending(const struct side *side)
{
	/* SSL_has_pending() is true for a part of a record too, of which side_read() makes nothing. */
	return side->kind == SIDE_OPENSSL && !side->drained && SSL_has_pending(side->ssl);
}

int side_finish(struct side *side)
{
	switch (side->kind) {
	case SIDE_KERNEL:
		return records_finish(side->fd);
	case SIDE_OPENSSL:
		return openssl_finish(side);
	default:
		return shutdown(side->fd, SHUT_WR) ? -errno : 0;
	}
}

int side_error(const struct side *side)
{
	int err = 0;
	socklen_t size = sizeof(err);

	if (getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &err, &size))
		return -errno;
	return -err;
}

bool side_delivered(const struct side *side)
{
	int queued = 0;

	return ioctl(side->fd, SIOCOUTQ, &queued) || queued == 0;
}

void side_close(struct side *side)
{
	if (side->fd < 0)
		return;
	side_unwatch(side);
	if (side->kind == SIDE_OPENSSL)
		SSL_free(side->ssl);
	if (side->kind == SIDE_KERNEL)
		OPENSSL_clear_free(side->records, sizeof(*side->records));
	close(side->fd);
	side->fd = -1;
}

void side_reset(struct side *side)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (side->fd >= 0)
		setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	side_close(side);
}
