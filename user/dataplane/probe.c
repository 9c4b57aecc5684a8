// SPDX-License-Identifier: BSD-2-Clause
/* What the running kernel can do of what the dataplane asks of it: tried, not guessed from a version. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/place.h"
#include "rcxlb.skel.h"

static int try_bpf(const struct btf *kernel)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", sizeof(__u32), sizeof(__u64), 1, NULL);

	(void)kernel;
	if (map < 0)
		return map;
	close(map);
	return 0;
}

static int try_btf(const struct btf *kernel)
{
	return kernel ? 0 : -ENOENT;
}

static int as_errno(int probe)
{
	return probe == 1 ? 0 : probe ? probe : -EOPNOTSUPP;
}

static int try_sk_lookup(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SK_LOOKUP, NULL));
}

static bool has_member(const struct btf *kernel, const char *name, const char *member)
{
	int id = kernel ? btf__find_by_name_kind(kernel, name, BTF_KIND_STRUCT) : -ENOENT;
	const struct btf_type *type = id > 0 ? btf__type_by_id(kernel, id) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const char *found = btf__name_by_offset(kernel, btf_members(type)[i].name_off);

		if (found && !strcmp(found, member))
			return true;
	}
	return false;
}

static int try_arriving_interface(const struct btf *kernel)
{
	return has_member(kernel, "bpf_sk_lookup", "ingress_ifindex") ? 0 : -EOPNOTSUPP;
}

static int try_loop(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_helper(BPF_PROG_TYPE_SK_LOOKUP, BPF_FUNC_loop, NULL));
}

static int try_sock_ops(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_netns_cookie, NULL));
}

static int try_netns_cookie(const struct btf *kernel)
{
	struct error ignored;
	uint64_t cookie;

	(void)kernel;
	return handle_netns_cookie(&cookie, &ignored);
}

static int try_sockmap(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_SOCKMAP, NULL));
}

static int try_storage(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_SK_STORAGE, NULL));
}

static int try_iterator(const struct btf *kernel)
{
	return kernel && btf__find_by_name_kind(kernel, "bpf_iter__tcp", BTF_KIND_STRUCT) > 0 ? 0 : -EOPNOTSUPP;
}

static int try_cgroup(const struct btf *kernel)
{
	struct error ignored;
	int fd = place_cgroup(&ignored);

	(void)kernel;
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int try_epoll(const struct btf *kernel)
{
	return has_member(kernel, "eventpoll", "wq") && has_member(kernel, "eppoll_entry", "base") &&
		       has_member(kernel, "epitem", "ep") && handle_symbol("ep_poll_callback")
		   ? 0
		   : -EOPNOTSUPP;
}

static int try_counts(const struct btf *kernel)
{
	return has_member(kernel, "task_io_accounting", "syscr") ? 0 : -EOPNOTSUPP;
}

static int try_clocks(const struct btf *kernel)
{
	return has_member(kernel, "sched_info", "last_arrival") && has_member(kernel, "cfs_rq", "rq") ? 0 : -EOPNOTSUPP;
}

static int try_timer(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_helper(BPF_PROG_TYPE_SK_LOOKUP, BPF_FUNC_timer_init, NULL));
}

/* The verifier's word on all of it at once. */
static int try_programs(const struct btf *kernel)
{
	struct rcxlb_bpf *skel = rcxlb_bpf__open();
	int err;

	(void)kernel;
	if (!skel)
		return -errno;
	handle_tell_kernel(skel);
	err = rcxlb_bpf__load(skel);
	rcxlb_bpf__destroy(skel);
	return err;
}

static int try_xdp(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL));
}

/* libxdp puts several programs on one interface by replacing functions of a first one: freplace. */
static int try_dispatcher(const struct btf *kernel)
{
	(void)kernel;
	return as_errno(libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL));
}

static const struct {
	struct feature feature;
	int (*try)(const struct btf *kernel);
} probes[] = {
	{ { "BPF", "everything", "steering", true, 0 }, try_bpf },
	{ { "BTF", "finding the kernel's fields (CONFIG_DEBUG_INFO_BTF)", "steering", true, 0 }, try_btf },
	{ { "sk_lookup", "choosing the socket of a new connection (Linux 5.9)", "steering", true, 0 }, try_sk_lookup },
	{ { "sk_lookup interface", "telling clients from questions (5.17)", "steering", true, 0 },
	  try_arriving_interface },
	{ { "bpf_loop", "walking the table (5.17)", "steering", true, 0 }, try_loop },
	{ { "sock_ops netns cookie", "seeing listen() in this network namespace alone (5.15)", "steering", true, 0 },
	  try_sock_ops },
	{ { "SO_NETNS_COOKIE", "naming this network namespace (5.14)", "steering", true, 0 }, try_netns_cookie },
	{ { "sockmap", "keeping listening sockets", "steering", true, 0 }, try_sockmap },
	{ { "socket storage", "counting connections", "steering", true, 0 }, try_storage },
	{ { "iter/tcp", "finding instances that listen already (5.9)", "steering", true, 0 }, try_iterator },
	{ { "cgroup v2", "seeing listen()", "steering", true, 0 }, try_cgroup },
	{ { "timer", "looking at event loops while connections come (5.15)", "steering", true, 0 }, try_timer },
	{ { "event loops", "seeing who would accept at once, and who is blocked",
	    "event loops in bounded and least: accept queues and counts alone", false, 0 },
	  try_epoll },
	{ { "read counts", "seeing that an event loop gets something done (CONFIG_TASK_XACCT)",
	    "quick word of a block: it takes four times as long", false, 0 },
	  try_counts },
	{ { "run queue clocks", "seeing a block at the first look after a quiet time (CONFIG_SCHED_INFO)",
	    "word of a block that began before the first of some clients", false, 0 },
	  try_clocks },
	{ { "programs", "rcxlb's own, as the verifier sees them", "steering", true, 0 }, try_programs },
	{ { "XDP", "the guard", "the guard: load with --xdp off", false, 0 }, try_xdp },
	{ { "freplace", "the guard beside other XDP programs", "the guard then needs an interface for itself", false,
	    0 },
	  try_dispatcher },
};

_Static_assert(sizeof(probes) / sizeof(probes[0]) == FEATURES, "FEATURES is another number");

void dataplane_probe(struct feature ret[FEATURES])
{
	struct btf *kernel = btf__load_vmlinux_btf();

	for (int i = 0; i < FEATURES; i++) {
		ret[i] = probes[i].feature;
		ret[i].err = probes[i].try(libbpf_get_error(kernel) ? NULL : kernel);
	}
	if (!libbpf_get_error(kernel))
		btf__free(kernel);
}
