// SPDX-License-Identifier: BSD-2-Clause
/*
 * How should a relay move bytes? Measures, for each pairing of plain and kernel TLS sockets, what one MiB costs the
 * process in the middle: recv and send with buffers of several sizes, and splice through a pipe. (sendfile cannot read
 * from a socket, which is tried and said.)
 *
 *	build/tests/bench/pairings [MIB]
 *
 * A child sends, another receives, over the loopback interface. Prints ms of CPU for each MiB, and MiB/s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proxy/ktls.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

#define MIB	 (1 << 20)
#define LARGEST	 (256 * 1024)
#define PIPE_MAX (256 * 1024)

static unsigned char bytes[LARGEST];

static void die(const char *what)
{
	fprintf(stderr, "pairings: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Two ends of a TCP connection. */
static void connect_pair(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	const int one = 1;

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || ends[0] < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&address, &size) ||
	    connect(ends[0], (struct sockaddr *)&address, size))
		die("connect");
	ends[1] = accept(listener, NULL, NULL);
	if (ends[1] < 0)
		die("accept");
	close(listener);
	for (int e = 0; e < 2; e++)
		setsockopt(ends[e], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* The same zero key at both ends of one direction. */
static void use_tls(int fd, int direction)
{
	struct traffic_crypto_info info;

	traffic_probe_info(TRAFFIC_AES_128_GCM, TLS_1_3_VERSION, &info);
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	    setsockopt(fd, SOL_TLS, direction, &info.info, info.size))
		die("kernel TLS");
}

static pid_t start(void (*run)(int), int fd, int unused)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	close(unused);
	run(fd);
	_exit(0);
}

static void send_for_ever(int fd)
{
	while (send(fd, bytes, 65536, MSG_NOSIGNAL) > 0)
		;
}

static void receive_all(int fd)
{
	static unsigned char into[LARGEST];

	while (recv(fd, into, sizeof(into), 0) > 0)
		;
}

static bool copy(int from, int to, size_t size, size_t total)
{
	for (size_t moved = 0; moved < total;) {
		ssize_t n = recv(from, bytes, size, 0);

		if (n <= 0)
			return false;
		for (ssize_t at = 0; at < n;) {
			ssize_t sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);

			if (sent < 0)
				return false;
			at += sent;
		}
		moved += (size_t)n;
	}
	return true;
}

static bool splice_through(int from, int to, size_t size, size_t total)
{
	int pipes[2];
	bool done = true;

	if (pipe(pipes) || fcntl(pipes[1], F_SETPIPE_SZ, PIPE_MAX) < 0)
		die("pipe");
	for (size_t moved = 0; done && moved < total;) {
		ssize_t n = splice(from, NULL, pipes[1], NULL, size, SPLICE_F_MOVE);

		done = n > 0;
		for (ssize_t at = 0; done && at < n;) {
			ssize_t sent = splice(pipes[0], NULL, to, NULL, (size_t)(n - at), SPLICE_F_MOVE);

			done = sent > 0;
			at += sent;
		}
		moved += (size_t)(n > 0 ? n : 0);
	}
	close(pipes[0]);
	close(pipes[1]);
	return done;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static double wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const char *pairing, bool tls_in, bool tls_out, const char *way,
		    bool (*move)(int, int, size_t, size_t), size_t size, unsigned int mib)
{
	int in[2], out[2];
	pid_t sender, receiver;
	double busy, time;
	bool done;

	connect_pair(in);
	connect_pair(out);
	if (tls_in) {
		use_tls(in[0], TLS_TX);
		use_tls(in[1], TLS_RX);
	}
	if (tls_out) {
		use_tls(out[0], TLS_TX);
		use_tls(out[1], TLS_RX);
	}
	sender = start(send_for_ever, in[0], in[1]);
	receiver = start(receive_all, out[1], out[0]);
	close(in[0]);
	close(out[1]);
	done = move(in[1], out[0], size, MIB); /* warm */
	busy = cpu();
	time = wall();
	done = done && move(in[1], out[0], size, (size_t)mib * MIB);
	busy = cpu() - busy;
	time = wall() - time;
	if (done)
		printf("%-16s %-9s %4zu KiB  %7.3f ms/MiB  %7.0f MiB/s\n", pairing, way, size / 1024, busy * 1000 / mib,
		       mib / time);
	else
		printf("%-16s %-9s %4zu KiB  does not work: %s\n", pairing, way, size / 1024, strerror(errno));
	fflush(stdout);
	kill(sender, SIGKILL);
	kill(receiver, SIGKILL);
	close(in[1]);
	close(out[0]);
	waitpid(sender, NULL, 0);
	waitpid(receiver, NULL, 0);
}

static void say_what_sendfile_does(void)
{
	int in[2], out[2];

	connect_pair(in);
	connect_pair(out);
	if (send(in[0], bytes, 1, 0) != 1)
		die("send");
	if (sendfile(out[0], in[1], NULL, 1) < 0)
		printf("sendfile from a socket: %s\n", strerror(errno));
	else
		printf("sendfile from a socket works\n");
	for (int e = 0; e < 2; e++) {
		close(in[e]);
		close(out[e]);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool in, out;
	} pairings[] = {
		{ "plain to plain", false, false },
		{ "TLS to plain", true, false },
		{ "plain to TLS", false, true },
	};
	static const size_t sizes[] = { 16 * 1024, 32 * 1024, 64 * 1024, 256 * 1024 };
	unsigned int mib = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 512;
	struct ktls_support support;

	ktls_probe(&support);
	say_what_sendfile_does();
	for (unsigned int p = 0; p < sizeof(pairings) / sizeof(pairings[0]); p++) {
		if ((pairings[p].in || pairings[p].out) && !support.ciphers[TRAFFIC_AES_128_GCM]) {
			printf("%-16s the kernel has no TLS here\n", pairings[p].name);
			continue;
		}
		for (unsigned int s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			measure(pairings[p].name, pairings[p].in, pairings[p].out, "recv/send", copy, sizes[s], mib);
		for (unsigned int s = 0; s < 3; s++)
			measure(pairings[p].name, pairings[p].in, pairings[p].out, "splice", splice_through, sizes[s],
				mib);
	}
	return 0;
}
