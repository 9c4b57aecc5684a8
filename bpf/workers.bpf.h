/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which worker gets a client. */
#ifndef RCXLB_WORKERS_BPF_H
#define RCXLB_WORKERS_BPF_H

#include "loops.bpf.h"
#include "maps.bpf.h"
#include "relayed.bpf.h"

static __always_inline long assign_from(struct bpf_sk_lookup *ctx, void *map, __u32 key, __u64 flags)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(map, &key);
	long err;

	if (!sk)
		return -1;
	err = bpf_sk_assign(ctx, sk, flags);
	bpf_sk_release(sk);
	return err;
}

/* A search among the workers of a service. */
struct turn {
	__u64 now;
	__u32 service;
	__u32 first;
	__u32 workers;
	__u32 ipv6;
	__u32 sight; /* out: of the best one, or SIGHT_NONE */
	__u32 key;   /* out: of that one */
};

/* bpf_loop(): the next worker; 1 ends the search. */
static long look_at_worker(__u32 i, struct turn *turn)
{
	__u32 worker = (turn->first + i) % turn->workers, key = RCXLB_WORKER_KEY(turn->service, worker, turn->ipv6),
	      sight;
	struct bpf_sock *sk = bpf_map_lookup_elem(&workers, &key);
	struct tcp_sock *tcp;

	if (!sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (sk->state == BPF_TCP_LISTEN && tcp) {
		sight = loops_look(RCXLB_MAX_BACKENDS + worker, (__u64)BPF_CORE_READ(tcp, inet_conn.icsk_inet.sk.sk_wq),
				   turn->now, RCXLB_BLOCKED_MS,
				   BPF_CORE_READ(tcp, inet_conn.icsk_inet.sk.sk_ack_backlog));
		if (sight < turn->sight) {
			turn->sight = sight;
			turn->key = key;
		}
	}
	bpf_sk_release(sk);
	return turn->sight < LOOPS_SIGHT(RCXLB_LOOP_STARVED, 0);
}

/* The first worker from the hash's own on that is not blocked; else the best one. False: there is none. */
__noinline int give_to_worker(struct bpf_sk_lookup *ctx, __u32 service, __u64 hash, __u32 family)
{
	struct turn turn = { .service = service, .first = hash >> 32, .now = bpf_ktime_get_ns() };

	turn.workers = workers_present();
	turn.ipv6 = family == AF_INET6;
	turn.sight = SIGHT_NONE;
	if (turn.workers)
		bpf_loop(turn.workers, look_at_worker, &turn, 0);
	return turn.sight != SIGHT_NONE && !assign_from(ctx, &workers, turn.key, BPF_SK_LOOKUP_F_NO_REUSEPORT);
}

#endif
