// SPDX-License-Identifier: BSD-2-Clause
/*
 * Load generator: a fixed number of connections, each with one request under way at a time, from one thread.
 *
 *   loadgen --mode connect   each request on a connection of its own: connect, send, read the answer, close
 *   loadgen --mode keep      all requests on the connections opened first
 *   loadgen --mode handshake no request: a TLS handshake on each connection
 *
 * With --tls each connection begins with a full handshake (full), or with one that resumes the last session (resume).
 *
 * Says "begin" when the warm-up is over and "end" when the time is, so that others can look at their clocks at the same
 * moments; then waits for the answers that are still under way, and prints one line of JSON. Only answers that came
 * between the two are counted; errors count from start to finish, and an answer that never comes is one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define ADDRESSES_MAX	64
#define CONNECTIONS_MAX 4096
#define EVENTS		256
#define HEAD_MAX	4096
#define RETRY_NS	1000000ull    /* between attempts after an error, so that a dead service is not hammered */
#define DRAIN_NS	5000000000ull /* for the last answers: longer than two lost SYNs */

/* Latencies in buckets of 1/64 of their size: 1 ns to centuries, wrong by 1.6 % at most. */
#define BUCKET_BITS 6
#define BUCKETS	    ((64 - BUCKET_BITS + 1) << BUCKET_BITS)

enum mode { MODE_CONNECT, MODE_KEEP, MODE_HANDSHAKE };

struct options {
	enum mode mode;
	struct sockaddr_in to[ADDRESSES_MAX];
	struct sockaddr_in from[ADDRESSES_MAX];
	unsigned int to_count;
	unsigned int from_count;
	unsigned int connections;
	double seconds;
	double warm_up;
	bool random; /* each connection to an address drawn at random, as a hash gives them; else in turn */
	bool reset;  /* end connections with RST: leaves no TIME_WAIT, so that ports last for ever */
	const char *path;
};

enum phase { PHASE_CLOSED, PHASE_CONNECTING, PHASE_WAITING };

struct conn {
	struct stream stream;
	enum phase phase;
	uint64_t begun;	 /* when the request, or in mode connect the connection, began */
	size_t head_got; /* bytes in `head` */
	bool in_body;
	uint64_t body_left;
	char head[HEAD_MAX + 1];
};

/* What happened since the warm-up, or errors since the start. */
struct tally {
	uint64_t connections;
	uint64_t requests;
	uint64_t bytes; /* of bodies */
	uint64_t errors;
	uint64_t slowest;
	uint64_t buckets[BUCKETS];
	const char *first_error;
	int first_errno;
};

static struct options options = {
	.connections = 16,
	.seconds = 1,
	.warm_up = 0.2,
	.reset = true,
	.path = "/",
};
static struct tally tally;
static struct conn conns[CONNECTIONS_MAX];
static char request[512];
static size_t request_len;
static char scratch[256 * 1024]; /* bodies end here */
static int epoll_fd;
static SSL_CTX *tls;	    /* NULL: plain */
static unsigned int opened; /* connections so far: whose turn it is of the addresses */
static unsigned int busy;   /* connections that are not closed */
static bool ending;	    /* nothing new begins */

static void die(const char *what)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < 1ull << BUCKET_BITS)
		return value;
	shift = 63 - __builtin_clzll(value) - BUCKET_BITS;
	return (shift + 1) << BUCKET_BITS | (value >> shift & ((1u << BUCKET_BITS) - 1));
}

/* The middle of a bucket. */
static uint64_t bucket_value(unsigned int bucket)
{
	unsigned int shift = bucket >> BUCKET_BITS;
	uint64_t low = bucket & ((1u << BUCKET_BITS) - 1);

	if (!shift)
		return low;
	return ((low | 1u << BUCKET_BITS) << (shift - 1)) + (1ull << (shift - 1)) / 2;
}

static void tally__latency(uint64_t ns)
{
	tally.buckets[bucket_of(ns)]++;
	if (ns > tally.slowest)
		tally.slowest = ns;
}

static double percentile_us(const struct tally *counted, double part)
{
	uint64_t want = part * counted->requests, seen = 0;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		seen += counted->buckets[i];
		if (seen > want)
			return bucket_value(i) / 1e3;
	}
	return counted->slowest / 1e3;
}

static void tally__error(const char *what, int err)
{
	if (!tally.errors++) {
		tally.first_error = what;
		tally.first_errno = err;
	}
}

/* The warm-up is over: forget what it counted, except errors. */
static void tally__restart(void)
{
	tally.connections = tally.requests = tally.bytes = tally.slowest = 0;
	memset(tally.buckets, 0, sizeof(tally.buckets));
}

static int socket_from(const struct sockaddr_in *from)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	if (!from)
		return fd;
	/* The port is chosen at connect(), when the kernel knows the whole tuple: one port serves many. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)from, sizeof(*from)))
		die("bind");
	return fd;
}

static void conn__close(struct conn *conn)
{
	struct linger at_once = { .l_onoff = 1 };

	if (options.reset)
		setsockopt(conn->stream.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	stream_close(&conn->stream, !options.reset);
	conn->phase = PHASE_CLOSED;
	busy--;
}

static void conn__fail(struct conn *conn, const char *what, int err)
{
	tally__error(what, err);
	conn__close(conn);
	conn->begun = now_ns();
}

/* xorshift32 (Marsaglia 2003), the same numbers in every run. */
static uint32_t draw(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void conn__open(struct conn *conn)
{
	const struct sockaddr_in *to = &options.to[(options.random ? draw() : opened) % options.to_count];
	const struct sockaddr_in *from = options.from_count ? &options.from[opened % options.from_count] : NULL;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn };

	opened++;
	busy++;
	conn->begun = now_ns();
	stream_open(&conn->stream, socket_from(from), tls);
	conn->phase = PHASE_CONNECTING;
	if (connect(conn->stream.fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS) {
		conn__fail(conn, "connect", errno);
		return;
	}
	/* Edge-triggered for both: nothing to change later. */
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->stream.fd, &event))
		die("epoll_ctl");
}

/* A request fits into any send buffer that is empty, so it goes out whole or not at all. */
static void conn__send(struct conn *conn)
{
	ssize_t sent = stream_send(&conn->stream, request, request_len);

	if (sent < 0 && errno == EAGAIN)
		return;
	if (sent != (ssize_t)request_len) {
		conn__fail(conn, conn->phase == PHASE_CONNECTING ? "connect" : "send", sent < 0 ? errno : EMSGSIZE);
		return;
	}
	if (conn->phase == PHASE_CONNECTING)
		tally.connections++;
	conn->phase = PHASE_WAITING;
	conn->head_got = 0;
	conn->in_body = false;
}

static void conn__done(struct conn *conn)
{
	uint64_t now = now_ns();

	tally.requests++;
	tally__latency(now - conn->begun);
	if (options.mode == MODE_KEEP && !ending) {
		conn->begun = now;
		conn__send(conn);
		return;
	}
	conn__close(conn);
	if (!ending)
		conn__open(conn);
}

static void conn__take_body(struct conn *conn, uint64_t len)
{
	tally.bytes += len;
	conn->body_left -= len;
}

/* Reads the head's two facts. Returns what is wrong with it, or NULL. */
static const char *conn__parse_head(struct conn *conn, char *end)
{
	const char *length;

	*end = '\0';
	if (strncmp(conn->head, "HTTP/1.1 200", 12))
		return "answer is not HTTP/1.1 200";
	length = strcasestr(conn->head, "\r\ncontent-length:");
	if (!length)
		return "answer without Content-Length";
	conn->body_left = strtoull(length + 17, NULL, 10);
	conn->in_body = true;
	return NULL;
}

/* Takes `len` bytes that came while the head was not complete. Returns what is wrong with them, or NULL. */
static const char *conn__take_head(struct conn *conn, size_t len)
{
	size_t used, room = HEAD_MAX - conn->head_got;
	size_t part = len < room ? len : room;
	const char *wrong;
	char *end;

	memcpy(conn->head + conn->head_got, scratch, part);
	conn->head_got += part;
	conn->head[conn->head_got] = '\0';
	end = strstr(conn->head, "\r\n\r\n");
	if (!end)
		return part < len ? "answer with a long head" : NULL;
	used = end + 4 - conn->head - (conn->head_got - part); /* of these bytes */
	wrong = conn__parse_head(conn, end);
	if (wrong)
		return wrong;
	if (len - used > conn->body_left)
		return "answer longer than it says";
	conn__take_body(conn, len - used);
	return NULL;
}

static const char *conn__take(struct conn *conn, size_t len)
{
	if (!conn->in_body)
		return conn__take_head(conn, len);
	if (len > conn->body_left)
		return "answer longer than it says";
	conn__take_body(conn, len);
	return NULL;
}

static bool answer_complete(const struct conn *conn)
{
	return conn->in_body && !conn->body_left;
}

/* Reads until the answer is complete or nothing more is there. */
static void conn__receive(struct conn *conn)
{
	const char *wrong = NULL;

	while (!wrong && !answer_complete(conn)) {
		ssize_t got = stream_receive(&conn->stream, scratch, sizeof(scratch));

		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			conn__fail(conn, "no answer", got ? errno : EPIPE);
			return;
		}
		wrong = conn__take(conn, got);
	}
	if (wrong)
		conn__fail(conn, wrong, 0);
	else
		conn__done(conn);
}

static void conn__shake(struct conn *conn)
{
	if (!stream_handshake(&conn->stream)) {
		tally.connections++;
		conn__done(conn);
	} else if (errno != EAGAIN) {
		conn__fail(conn, "handshake", errno);
	}
}

static void conn__event(struct conn *conn)
{
	if (conn->phase == PHASE_CONNECTING && options.mode == MODE_HANDSHAKE)
		conn__shake(conn);
	else if (conn->phase == PHASE_CONNECTING)
		conn__send(conn);
	else if (conn->phase == PHASE_WAITING)
		conn__receive(conn);
}

static void reopen_failed(uint64_t now)
{
	for (unsigned int i = 0; i < options.connections; i++)
		if (conns[i].phase == PHASE_CLOSED && now - conns[i].begun >= RETRY_NS)
			conn__open(&conns[i]);
}

static void handle_events(int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);

	if (count < 0 && errno != EINTR)
		die("epoll_wait");
	for (int i = 0; i < count; i++)
		conn__event(events[i].data.ptr);
}

static void drive_until(uint64_t end)
{
	uint64_t now, looked = 0;

	while ((now = now_ns()) < end) {
		uint64_t left_ms = (end - now) / 1000000 + 1;

		handle_events(left_ms < 10 ? left_ms : 10);
		if (now - looked >= RETRY_NS) {
			reopen_failed(now);
			looked = now;
		}
	}
}

/* The last answers. Those that do not come are errors. */
static void drain(void)
{
	uint64_t end = now_ns() + DRAIN_NS;

	ending = true;
	while (busy && now_ns() < end)
		handle_events(10);
	while (busy--)
		tally__error("no answer", ETIMEDOUT);
}

static void print_error(void)
{
	if (!tally.first_error)
		printf("null");
	else if (tally.first_errno)
		printf("\"%s: %s\"", tally.first_error, strerror(tally.first_errno));
	else
		printf("\"%s\"", tally.first_error);
}

static void report(const struct tally *counted, double seconds, double cpu)
{
	printf("{\"seconds\":%.6f,\"connections\":%llu,\"requests\":%llu,\"bytes\":%llu,", seconds,
	       (unsigned long long)counted->connections, (unsigned long long)counted->requests,
	       (unsigned long long)counted->bytes);
	printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"cpu_seconds\":%.6f,",
	       percentile_us(counted, 0.5), percentile_us(counted, 0.99), percentile_us(counted, 0.999),
	       counted->slowest / 1e3, cpu);
	printf("\"errors\":%llu,\"first_error\":", (unsigned long long)tally.errors);
	print_error();
	puts("}");
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static void run(void)
{
	static struct tally counted;
	uint64_t begun, ended;
	double cpu;

	for (unsigned int i = 0; i < options.connections; i++)
		conn__open(&conns[i]);
	drive_until(now_ns() + options.warm_up * 1e9);
	tally__restart();
	say("begin");
	begun = now_ns();
	cpu = cpu_seconds();
	drive_until(begun + options.seconds * 1e9);
	ended = now_ns();
	cpu = cpu_seconds() - cpu;
	say("end");
	counted = tally;
	drain();
	report(&counted, (ended - begun) / 1e9, cpu);
}

/* "ADDR:PORT" or, without ports, "ADDR". */
static bool parse_address(char *text, bool with_port, struct sockaddr_in *ret)
{
	char *colon = strchr(text, ':');
	long port = colon ? strtol(colon + 1, NULL, 10) : 0;

	if (with_port != !!colon || port < 0 || port > 65535)
		return false;
	if (colon)
		*colon = '\0';
	ret->sin_family = AF_INET;
	ret->sin_port = htons(port);
	return inet_pton(AF_INET, text, &ret->sin_addr) == 1;
}

/* A list with commas; returns how many, 0 when one is wrong. */
static unsigned int parse_addresses(char *text, bool with_port, struct sockaddr_in *ret)
{
	unsigned int count = 0;

	for (char *item = strtok(text, ","); item; item = strtok(NULL, ","))
		if (count == ADDRESSES_MAX || !parse_address(item, with_port, &ret[count++]))
			return 0;
	return count;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: loadgen --to ADDR:PORT[,...] [--from ADDR[,...]] [--mode connect|keep|handshake] "
		"[--connections N]\n"
		"               [--seconds S] [--warm-up S] [--path PATH] [--order turn|random] [--close rst|fin]\n"
		"               [--tls full|resume]\n");
	exit(2);
}

static void set_option(int option, char *value)
{
	switch (option) {
	case 'm':
		options.mode = !strcmp(value, "keep")	     ? MODE_KEEP
			       : !strcmp(value, "handshake") ? MODE_HANDSHAKE
							     : MODE_CONNECT;
		break;
	case 't':
		options.to_count = parse_addresses(value, true, options.to);
		break;
	case 'f':
		options.from_count = parse_addresses(value, false, options.from);
		if (!options.from_count)
			usage();
		break;
	case 'c':
		options.connections = strtoul(value, NULL, 10);
		break;
	case 's':
		options.seconds = strtod(value, NULL);
		break;
	case 'w':
		options.warm_up = strtod(value, NULL);
		break;
	case 'p':
		options.path = value;
		break;
	case 'o':
		options.random = !strcmp(value, "random");
		break;
	case 'r':
		options.reset = strcmp(value, "fin");
		break;
	case 'T':
		tls = stream_client(!strcmp(value, "resume"));
		if (!tls)
			die("TLS");
		break;
	default:
		usage();
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "to", required_argument, NULL, 't' },
		{ "from", required_argument, NULL, 'f' },
		{ "connections", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "warm-up", required_argument, NULL, 'w' },
		{ "path", required_argument, NULL, 'p' },
		{ "close", required_argument, NULL, 'r' },
		{ "order", required_argument, NULL, 'o' },
		{ "tls", required_argument, NULL, 'T' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		set_option(option, optarg);
	if (optind != argc || !options.to_count || options.seconds <= 0 || options.seconds > 3600 ||
	    options.warm_up < 0 || options.warm_up > 3600 || !options.connections ||
	    options.connections > CONNECTIONS_MAX || (options.mode == MODE_HANDSHAKE && !tls))
		usage();
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	parse_options(argc, argv);
	request_len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", options.path);
	if (request_len >= sizeof(request))
		usage();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1");
	run();
	return 0;
}
