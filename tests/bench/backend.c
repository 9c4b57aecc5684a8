// SPDX-License-Identifier: BSD-2-Clause
/*
 * A fast instance to measure with: single-threaded like Node.js, but costing as little as it can, so that what is
 * measured is the way to it. Answers "ok" to any request, and N bytes to GET /bytes/N; keeps connections. With a
 * certificate it ends TLS itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

#define BACKLOG	  8192
#define EVENTS	  256
#define HEAD_MAX  4096
#define BYTES_MAX (1ull << 40)

struct conn {
	struct stream stream;
	bool blocked; /* waits for EPOLLOUT, with the rest of an answer to send */
	size_t got;   /* bytes of a request in `request` */
	size_t head_sent;
	size_t head_len;
	unsigned long long body_left;
	char head[128];
	char request[HEAD_MAX + 1];
};

static char filler[256 * 1024]; /* what bodies are made of */
static int epoll_fd;
static SSL_CTX *tls; /* NULL: plain */

static void die(const char *what)
{
	fprintf(stderr, "backend: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void conn__close(struct conn *conn)
{
	stream_close(&conn->stream, true);
	free(conn);
}

static void conn__watch(struct conn *conn, int op, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.ptr = conn };

	if (epoll_ctl(epoll_fd, op, conn->stream.fd, &event))
		die("epoll_ctl");
}

static bool answer_pending(const struct conn *conn)
{
	return conn->head_sent < conn->head_len || conn->body_left;
}

/* Sends what fits. False when the connection is lost. */
static bool conn__flush(struct conn *conn)
{
	while (answer_pending(conn)) {
		size_t head = conn->head_len - conn->head_sent;
		size_t body = conn->body_left < sizeof(filler) ? conn->body_left : sizeof(filler);
		ssize_t sent = stream_send_both(&conn->stream, conn->head + conn->head_sent, head, filler, body);

		if (sent < 0)
			return errno == EAGAIN;
		if ((size_t)sent < head) {
			conn->head_sent += sent;
			continue;
		}
		conn->head_sent = conn->head_len;
		conn->body_left -= sent - head;
	}
	return true;
}

static void conn__answer(struct conn *conn)
{
	unsigned long long bytes = 2;
	int len;

	if (sscanf(conn->request, "GET /bytes/%llu", &bytes) == 1 && bytes > BYTES_MAX)
		bytes = BYTES_MAX;
	len = snprintf(conn->head, sizeof(conn->head),
		       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n\r\n", bytes);
	conn->head_len = len;
	conn->head_sent = 0;
	conn->body_left = bytes;
}

/* Answers the first complete request in the buffer, and takes it out. False when there is none. */
static bool conn__take_request(struct conn *conn)
{
	char *end;
	size_t used;

	conn->request[conn->got] = '\0';
	end = strstr(conn->request, "\r\n\r\n");
	if (!end)
		return false;
	used = end + 4 - conn->request;
	conn__answer(conn);
	conn->got -= used;
	memmove(conn->request, conn->request + used, conn->got);
	return true;
}

/* One read per event: epoll tells again when there is more. False when the connection is over. */
static bool conn__read(struct conn *conn)
{
	ssize_t got = stream_receive(&conn->stream, conn->request + conn->got, HEAD_MAX - conn->got);

	if (got < 0)
		return errno == EAGAIN;
	conn->got += got;
	return got > 0;
}

static bool conn__serve(struct conn *conn)
{
	if (!conn->blocked && !conn__read(conn))
		return false;
	do {
		if (!conn__flush(conn))
			return false;
	} while (!answer_pending(conn) && (conn__take_request(conn) || (stream_pending(&conn->stream) &&
									conn->got < HEAD_MAX && conn__read(conn))));
	if (conn->got == HEAD_MAX)
		return false;
	if (answer_pending(conn) != conn->blocked) {
		conn->blocked = !conn->blocked;
		conn__watch(conn, EPOLL_CTL_MOD, conn->blocked ? EPOLLOUT : EPOLLIN);
	}
	return true;
}

static void accept_all(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *conn = malloc(sizeof(*conn));

		if (!conn)
			die("accept");
		stream_open(&conn->stream, fd, tls);
		conn->blocked = false;
		conn->got = conn->head_len = conn->head_sent = conn->body_left = 0;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conn__watch(conn, EPOLL_CTL_ADD, EPOLLIN);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		die("accept");
}

static int listen_on(unsigned short port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, BACKLOG))
		die("listen");
	return fd;
}

static void run(int listener)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event))
		die("epoll_ctl");
	for (;;) {
		int count = epoll_wait(epoll_fd, events, EVENTS, -1);

		if (count < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < count; i++) {
			struct conn *conn = events[i].data.ptr;

			if (!conn)
				accept_all(listener);
			else if (!conn__serve(conn))
				conn__close(conn);
		}
	}
}

int main(int argc, char **argv)
{
	long port = argc == 2 || argc == 4 ? strtol(argv[1], NULL, 10) : 0;

	if (port < 1 || port > 65535) {
		fprintf(stderr, "usage: backend PORT [CERTIFICATE KEY]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4) {
		tls = stream_server(argv[2], argv[3]);
		if (!tls)
			return 1;
	}
	memset(filler, '.', sizeof(filler));
	memcpy(filler, "ok", 2);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1");
	run(listen_on(port));
}
