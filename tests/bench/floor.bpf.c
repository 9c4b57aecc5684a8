// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The least that a balancer of this kind can cost, to measure against: no hash, no table, no counts, nobody passed
 * over. What is left is the kernel's price for the hooks themselves: the look-up that gives a listener of a SOCKMAP,
 * and what it takes to count connections: a program of the cgroup, which leaves at once, and a socket storage that each
 * connection inherits from its listener.
 */
#include "kernel.bpf.h"
#include "floor.h"

const volatile struct floor_setup setup = {};

static __u32 turn;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, FLOOR_LISTENERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u64);
} sockets SEC(".maps");

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__u32 key = (setup.random ? bpf_get_prandom_u32() : turn++) % setup.count;
	struct bpf_sock *sk;
	long err;

	if (ctx->local_port != setup.service_port)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&listeners, &key);
	if (!sk)
		return SK_DROP;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err ? SK_DROP : SK_PASS;
}

SEC("sockops")
int registrar(struct bpf_sock_ops *ctx)
{
	(void)ctx;
	return 1;
}

/* Run once: the instances listen already. */
SEC("iter/tcp")
int collect(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	__u32 key;

	if (!sk || sk->skc_state != BPF_TCP_LISTEN || sk->skc_net.net->net_cookie != setup.netns_cookie)
		return 0;
	key = sk->skc_num - setup.first_port;
	if (key >= setup.count ||
	    (setup.counts && !bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE)))
		return 0;
	bpf_map_update_elem(&listeners, &key, sk, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
