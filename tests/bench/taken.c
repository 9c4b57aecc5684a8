// SPDX-License-Identifier: BSD-2-Clause
/*
 * How much of the cores interrupts take from who computes: a thread on each looks at the clock without a break, and
 * adds up the gaps that are too long for it and too short for another process. Meanwhile a connection is opened every
 * so many milliseconds, and reset.
 *
 *	taken SECONDS [ADDR PORT MILLISECONDS]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CORES_MAX 256
#define GAP_LEAST 1000ull    /* ns; looking takes a tenth of it */
#define GAP_MOST  1000000ull /* ns; then somebody else had the core */

static uint64_t ends;
static uint64_t taken[CORES_MAX];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "taken: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *look(void *arg)
{
	long core = (long)arg;
	uint64_t before = now_ns(), now, sum = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	for (; before < ends; before = now) {
		now = now_ns();
		if (now - before > GAP_LEAST && now - before < GAP_MOST)
			sum += now - before;
	}
	taken[core] = sum;
	return NULL;
}

static void connect_once(const struct sockaddr_in *to)
{
	struct linger abort = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		die("connect");
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long cores = sysconf(_SC_NPROCESSORS_ONLN), every = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
	double seconds = argc == 2 || argc == 5 ? strtod(argv[1], NULL) : 0;
	pthread_t thread[CORES_MAX];
	uint64_t sum = 0;

	if (seconds <= 0 || seconds > 60 || cores > CORES_MAX ||
	    (argc == 5 && (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 || every < 1))) {
		fprintf(stderr, "usage: taken SECONDS [ADDR PORT MILLISECONDS]\n");
		return 2;
	}
	to.sin_port = htons(argc == 5 ? strtol(argv[3], NULL, 10) : 0);
	ends = now_ns() + seconds * 1e9;
	for (long i = 0; i < cores; i++)
		if (pthread_create(&thread[i], NULL, look, (void *)i))
			die("pthread_create");
	while (every && now_ns() < ends) {
		connect_once(&to);
		usleep(every * 1000);
	}
	for (long i = 0; i < cores; i++) {
		pthread_join(thread[i], NULL);
		sum += taken[i];
	}
	printf("%.6f\n", sum / (seconds * 1e9));
	return 0;
}
