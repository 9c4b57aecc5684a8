// SPDX-License-Identifier: BSD-2-Clause
/*
 * A tiny instance: says who reached it and how, then echoes until the client leaves.
 *
 *	instance NAME PORT [--bind ADDRESS] [--v6only] [--reuseport] [--mptcp] [--backlog N] [--never-accept]
 *		 [--accepts N] [--device NAME]
 *
 * With --accepts it hears of each connection (edge-triggered), accepts so many, and sleeps over the others.
 *
 * To each connection it writes "NAME <peer address> <peer port> <local address> <local port>". It prints "listening"
 *once it listens, and ends with a signal. One thread and epoll, like the servers that it stands for; in C because a
 *test starts several, on emulated machines as well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define EVENTS 64

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

struct options {
	const char *name;
	const char *bind;
	unsigned int port;
	int v6only; /* takes no IPv4 */
	int reuseport;
	int mptcp;
	int never_accept;
	int backlog;
	int accepts; /* 0: all */
	const char *device;
};

static void die(const char *what)
{
	fprintf(stderr, "instance: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct options parse(int argc, char **argv)
{
	struct options options = { .bind = "127.0.0.1", .backlog = 1024 };
	const struct option known[] = {
		{ "bind", required_argument, NULL, 'b' },
		{ "backlog", required_argument, NULL, 'q' },
		{ "accepts", required_argument, NULL, 'a' },
		{ "device", required_argument, NULL, 'd' },
		{ "v6only", no_argument, &options.v6only, 1 },
		{ "reuseport", no_argument, &options.reuseport, 1 },
		{ "mptcp", no_argument, &options.mptcp, 1 },
		{ "never-accept", no_argument, &options.never_accept, 1 },
		{},
	};
	int found;

	while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (found == 'b')
			options.bind = optarg;
		else if (found == 'q')
			options.backlog = atoi(optarg);
		else if (found == 'a')
			options.accepts = atoi(optarg);
		else if (found == 'd')
			options.device = optarg;
		else if (found)
			exit(2);
	}
	if (argc - optind != 2) {
		fprintf(stderr, "instance: a name and a port are needed\n");
		exit(2);
	}
	options.name = argv[optind];
	options.port = (unsigned int)atoi(argv[optind + 1]);
	return options;
}

static void demand(int sock, int level, int name, int value)
{
	if (setsockopt(sock, level, name, &value, sizeof(value)))
		die("setsockopt");
}

static int open_listener(const struct options *options)
{
	int family = strchr(options->bind, ':') ? AF_INET6 : AF_INET,
	    sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, options->mptcp ? IPPROTO_MPTCP : 0);
	union address address = { .any.sa_family = (sa_family_t)family };
	socklen_t size = family == AF_INET6 ? sizeof(address.six) : sizeof(address.four);

	if (sock < 0)
		die("socket");
	demand(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	if (options->reuseport)
		demand(sock, SOL_SOCKET, SO_REUSEPORT, 1);
	if (options->device &&
	    setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, options->device, (socklen_t)strlen(options->device)))
		die(options->device);
	if (family == AF_INET6)
		demand(sock, IPPROTO_IPV6, IPV6_V6ONLY, options->v6only);
	address.four.sin_port = htons((in_port_t)options->port); /* where an IPv6 address has it as well */
	if (inet_pton(family, options->bind,
		      family == AF_INET6 ? (void *)&address.six.sin6_addr : (void *)&address.four.sin_addr) != 1) {
		errno = EINVAL;
		die(options->bind);
	}
	if (bind(sock, &address.any, size) || listen(sock, options->backlog))
		die("listen");
	return sock;
}

/* As "ADDRESS PORT". */
static void write_address(const union address *address, char *to, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(address->any.sa_family,
		  address->any.sa_family == AF_INET6 ? (const void *)&address->six.sin6_addr
						     : (const void *)&address->four.sin_addr,
		  text, sizeof(text));
	snprintf(to, size, "%s %u", text, ntohs(address->four.sin_port));
}

static int greet(const char *name, int sock, const union address *peer)
{
	char text[256], from[64], at[64];
	union address local = {};
	socklen_t size = sizeof(local);

	if (getsockname(sock, &local.any, &size))
		return -1;
	write_address(peer, from, sizeof(from));
	write_address(&local, at, sizeof(at));
	snprintf(text, sizeof(text), "%s %s %s\n", name, from, at);
	return send(sock, text, strlen(text), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void watch(int epoll, int sock, uint32_t how)
{
	struct epoll_event event = { .events = EPOLLIN | how, .data.fd = sock };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &event))
		die("epoll_ctl");
}

/* Until there is nothing more to accept, or as many are; a client that is gone already is not the last. */
static void accept_all(const struct options *options, int epoll, int listener)
{
	static int accepted;

	while (!options->accepts || accepted < options->accepts) {
		union address peer = {};
		socklen_t size = sizeof(peer);
		int sock = accept4(listener, &peer.any, &size, SOCK_CLOEXEC);

		if (sock < 0 && errno == EAGAIN)
			return;
		if (sock < 0)
			continue;
		accepted++;
		if (greet(options->name, sock, &peer))
			close(sock);
		else
			watch(epoll, sock, 0);
	}
}

static void echo(int sock)
{
	static char data[65536];
	ssize_t got = recv(sock, data, sizeof(data), 0), sent = 0;

	while (sent < got) {
		ssize_t part = send(sock, data + sent, (size_t)(got - sent), MSG_NOSIGNAL);

		if (part < 0)
			got = -1;
		else
			sent += part;
	}
	if (got <= 0)
		close(sock);
}

static void serve(const struct options *options, int listener)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		die("epoll_create1");
	watch(epoll, listener, options->accepts ? EPOLLET : 0);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				accept_all(options, epoll, listener);
			else
				echo(events[i].data.fd);
		}
	}
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	int listener = open_listener(&options);

	puts("listening");
	fflush(stdout);
	while (options.never_accept)
		pause();
	serve(&options, listener);
}
