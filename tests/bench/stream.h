/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a connection that does not block, plain or by TLS: what the load generator and the fast instance share.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

struct stream {
	int fd;
	SSL *ssl; /* NULL: plain */
};

/* A server's, with files in PEM; or NULL when they cannot be used, and why is on stderr. The kernel has the records if
 * it can. */
SSL_CTX *stream_server(const char *certificate, const char *key);

/* A client's, which believes every certificate; with `resume` it comes back with the last session that it was given. */
SSL_CTX *stream_client(bool resume);

/* Takes fd; `context` NULL: plain. A handshake is made by whatever is read or written first. */
void stream_open(struct stream *stream, int fd, SSL_CTX *context);

/* 0 when it is done; else -1 and errno as below. */
int stream_handshake(struct stream *stream);

/* As recv() and send() without flags: -1 and EAGAIN when it has to wait, for whatever; EPROTO: what came is no TLS. */
ssize_t stream_receive(struct stream *stream, void *to, size_t size);
ssize_t stream_send(struct stream *stream, const void *from, size_t size);

/* The same of two pieces, one behind the other: as much of them as fits. */
ssize_t stream_send_both(struct stream *stream, const void *head, size_t head_size, const void *body, size_t body_size);

/* Bytes that were received and not read, of which no descriptor tells. */
bool stream_pending(const struct stream *stream);

/* Closes fd; with `politely` the other side is told that this is the end. */
void stream_close(struct stream *stream, bool politely);

#endif
