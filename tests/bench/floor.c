// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attaches floor.bpf.o to this network namespace and to the root of a cgroup hierarchy, with the listeners that are
 * there now; says "ready"; and takes it away when it ends, however it ends: nothing is pinned.
 *
 *	floor OBJECT CGROUP SERVICE_PORT FIRST_PORT COUNT turn|random|uncounted
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "floor.h"

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static __u64 own_netns_cookie(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	__u64 cookie;
	socklen_t size = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		die("the network namespace's cookie");
	close(fd);
	return cookie;
}

static struct floor_setup set_up(struct bpf_object *object, char **ports)
{
	struct floor_setup setup = {
		.netns_cookie = own_netns_cookie(),
		.service_port = strtoul(ports[0], NULL, 10),
		.first_port = strtoul(ports[1], NULL, 10),
		.count = strtoul(ports[2], NULL, 10),
		.random = !strcmp(ports[3], "random"),
		.counts = strcmp(ports[3], "uncounted") != 0,
	};
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");

	errno = EINVAL;
	if (!map || !setup.count || setup.count > FLOOR_LISTENERS ||
	    bpf_map__set_initial_value(map, &setup, sizeof(setup)))
		die("setup");
	return setup;
}

static struct bpf_program *program_of(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		die(name);
	return program;
}

static void attach(struct bpf_object *object, const char *cgroup, bool counts)
{
	int place = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (place < 0)
		die(cgroup);
	if (counts && !bpf_program__attach_cgroup(program_of(object, "registrar"), place))
		die("sock_ops");
	if (netns < 0 || !bpf_program__attach_netns(program_of(object, "steer"), netns))
		die("sk_lookup");
}

static void run_collect(struct bpf_object *object)
{
	struct bpf_link *link = bpf_program__attach_iter(program_of(object, "collect"), NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	char nothing[64];

	if (fd < 0 || read(fd, nothing, sizeof(nothing)) < 0)
		die("collect");
	close(fd);
	bpf_link__destroy(link);
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct floor_setup setup;

	if (argc != 7) {
		fprintf(stderr, "usage: floor OBJECT CGROUP SERVICE_PORT FIRST_PORT COUNT turn|random|uncounted\n");
		return 2;
	}
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		die(argv[1]);
	setup = set_up(object, argv + 3);
	if (bpf_object__load(object))
		die("load");
	run_collect(object);
	attach(object, argv[2], setup.counts);
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF) /* until who started it has gone, or kills it */
		;
	return 0;
}
