// SPDX-License-Identifier: BSD-2-Clause
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECORD_MAX 16384

static SSL_SESSION *session; /* the last one that a client was given */

static SSL_CTX *make_context(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (!context)
		return NULL;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	return context;
}

SSL_CTX *stream_server(const char *certificate, const char *key)
{
	SSL_CTX *context = make_context(TLS_server_method());

	if (context && SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
		return context;
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(context);
	return NULL;
}

static int keep_session(SSL *ssl, SSL_SESSION *given)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = given;
	return 1;
}

SSL_CTX *stream_client(bool resume)
{
	SSL_CTX *context = make_context(TLS_client_method());

	if (!context)
		return NULL;
	SSL_CTX_set_session_cache_mode(context, resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
						       : SSL_SESS_CACHE_OFF);
	if (resume)
		SSL_CTX_sess_set_new_cb(context, keep_session);
	return context;
}

void stream_open(struct stream *stream, int fd, SSL_CTX *context)
{
	stream->fd = fd;
	stream->ssl = context ? SSL_new(context) : NULL;
	if (!stream->ssl)
		return;
	SSL_set_fd(stream->ssl, fd);
	if (SSL_is_server(stream->ssl)) {
		SSL_set_accept_state(stream->ssl);
		return;
	}
	SSL_set_connect_state(stream->ssl);
	if (session)
		SSL_set_session(stream->ssl, session);
}

/* What OpenSSL returned, as a system call would have. */
static ssize_t result(const struct stream *stream, int returned)
{
	int err = errno;

	switch (SSL_get_error(stream->ssl, returned)) {
	case SSL_ERROR_NONE:
		return returned;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_SYSCALL:
		errno = err ? err : ECONNRESET;
		return -1;
	default:
		errno = EPROTO;
		return -1;
	}
}

static void begin(void)
{
	ERR_clear_error();
	errno = 0;
}

int stream_handshake(struct stream *stream)
{
	begin();
	return result(stream, SSL_do_handshake(stream->ssl)) == 1 ? 0 : -1;
}

ssize_t stream_receive(struct stream *stream, void *to, size_t size)
{
	if (!stream->ssl)
		return recv(stream->fd, to, size, 0);
	begin();
	return result(stream, SSL_read(stream->ssl, to, (int)size));
}

ssize_t stream_send(struct stream *stream, const void *from, size_t size)
{
	return stream_send_both(stream, from, size, NULL, 0);
}

/* By TLS: one record of both, since a small one costs as much as a large one. */
ssize_t stream_send_both(struct stream *stream, const void *head, size_t head_size, const void *body, size_t body_size)
{
	static char record[RECORD_MAX];
	struct iovec parts[2] = {
		{ .iov_base = (void *)head, .iov_len = head_size },
		{ .iov_base = (void *)body, .iov_len = body_size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (!stream->ssl)
		return sendmsg(stream->fd, &message, MSG_NOSIGNAL);
	begin();
	if (!head_size)
		return result(stream, SSL_write(stream->ssl, body, (int)body_size));
	head_size = head_size < RECORD_MAX ? head_size : RECORD_MAX;
	body_size = body_size < RECORD_MAX - head_size ? body_size : RECORD_MAX - head_size;
	memcpy(record, head, head_size);
	if (body_size)
		memcpy(record + head_size, body, body_size);
	return result(stream, SSL_write(stream->ssl, record, (int)(head_size + body_size)));
}

bool stream_pending(const struct stream *stream)
{
	return stream->ssl && SSL_pending(stream->ssl);
}

void stream_close(struct stream *stream, bool politely)
{
	begin();
	if (stream->ssl && politely)
		SSL_shutdown(stream->ssl);
	SSL_free(stream->ssl);
	close(stream->fd);
}
