/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What those backends of a service have together that clients can go to, for the rules that compare with it. Added up
 * anew in passes over the members, a few of them with each connection (of many, one) and by each CPU for itself: nothing
 * that is counted here can drift, no CPU waits for another, and a connection costs no more with a thousand members than
 * with two; but for one in a second at most, which adds up all when too few came to do so.
 */
#ifndef RCXLB_SHARES_BPF_H
#define RCXLB_SHARES_BPF_H

#include "down.bpf.h"
#include "maps.bpf.h"
#include "rcxlb/choice.h"
#include "relayed.bpf.h"

#define SHARE_FRESH_NS 1000000ull
#define SHARE_STALE_NS 1000000000ull /* then what was added up says nothing any more: all are asked at once */
#define SHARE_MEMBERS  4	      /* with one connection */
#define SHARE_FEW      64	      /* of more than so many one: their memory is in no cache */

struct pass {
	const struct rcxlb_table *table;
	struct rcxlb_share *share;
	__u32 family; /* of the clients that they share */
};

/* A search for a row of `listeners` that has one for clients of this address family. */
struct rows_of {
	__u32 id;
	__u16 family;
	__u16 found; /* out */
};

/* One of a single interface takes some of the clients: it has no part in what all share. */
static __always_inline bool listens_for(struct bpf_sock *sk, __u32 family)
{
	struct tcp_sock *tcp;

	if (sk->state != BPF_TCP_LISTEN || sk->bound_dev_if)
		return false;
	if (sk->family == AF_INET)
		return family == AF_INET;
	tcp = bpf_skc_to_tcp_sock(sk);
	return tcp && socket_takes(AF_INET6,
				   BPF_CORE_READ_BITFIELD(&tcp->inet_conn.icsk_inet.sk.__sk_common, skc_ipv6only),
				   family);
}

/* bpf_loop(): one row; 1 ends the search. */
static long listens_in_row(__u32 row, struct rows_of *rows)
{
	__u32 key = row % RCXLB_ROWS * RCXLB_MAX_BACKENDS + rows->id;
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &key);
	bool found;

	if (!sk)
		return 0;
	found = listens_for(sk, rows->family);
	bpf_sk_release(sk);
	rows->found |= found;
	return found;
}

/* The first row is that of most. Of an SO_REUSEPORT group others may be left. */
static __always_inline bool anybody_listens(__u32 id, const struct rcxlb_load *entry, __u32 family)
{
	struct rows_of rows = { .id = id, .family = family };

	if (!listens_in_row(0, &rows) && entry->rows > 1)
		bpf_loop(entry->rows, listens_in_row, &rows, 0);
	return rows.found;
}

/* bpf_loop(): adds the next member; 1 ends the pass. */
static long share_add(__u32 i, struct pass *pass)
{
	struct rcxlb_share *share = pass->share;
	__u32 at = share->next_member, id, active;
	struct rcxlb_backend *backend;
	struct rcxlb_load *entry;

	(void)i;
	RCXLB_OPAQUE(at);
	if (at >= pass->table->members || at >= RCXLB_MAX_BACKENDS)
		return 1;
	share->next_member = at + 1;
	id = pass->table->member[at];
	backend = bpf_map_lookup_elem(&backends, &id);
	entry = bpf_map_lookup_elem(&load, &id);
	if (!backend || !entry || backend->flags & RCXLB_BACKEND_DRAINING)
		return 0;
	active = entry->active;
	if (is_down(id) || is_set_back(id, backend->generation))
		return 0;
	if (!anybody_listens(id, entry, pass->family)) {
		if (!is_relayed(backend, entry))
			return 0;
		active = relayed_active(backend, entry);
	}
	if (backend->max_connections && active >= backend->max_connections)
		return 0;
	share->next_active += active;
	share->next_weight += backend->weight;
	if (share->next_emptiest == RCXLB_NO_BACKEND ||
	    (__u64)active * share->next_least_weight < (__u64)share->next_least * backend->weight) {
		share->next_emptiest = at;
		share->next_least = active;
		share->next_least_weight = backend->weight;
	}
	return 0;
}

/* Begins a pass anew: what the last one held stays until it is complete. */
static __always_inline void share_restart(struct rcxlb_share *share)
{
	share->next_active = 0;
	share->next_weight = 0;
	share->next_member = 0;
	share->next_emptiest = RCXLB_NO_BACKEND;
}

/* The pass is complete: what it added up holds from now on. */
static __always_inline void share_renew(struct rcxlb_share *share, struct rcxlb_rule *rule, __u64 now)
{
	struct rcxlb_facts emptiest = { .active = share->next_least, .weight = share->next_least_weight };

	share->active = share->next_active;
	share->weight = share->next_weight;
	share->renewed = now;
	rule->active = share->active;
	rule->weight = share->weight;
	share->emptiest = rcxlb_is_behind(rule, &emptiest) ? share->next_emptiest : RCXLB_NO_BACKEND;
	share_restart(share);
}

static __always_inline __u32 emptiest_of(const struct rcxlb_share *share, const struct rcxlb_table *table)
{
	__u32 at = share->renewed ? share->emptiest : RCXLB_NO_BACKEND;

	RCXLB_OPAQUE(at);
	return at < table->members && at < RCXLB_MAX_BACKENDS ? table->member[at] : RCXLB_NO_BACKEND;
}

/* How many members are added up with this connection. */
static __always_inline __u32 share_step(const struct rcxlb_table *table, bool stale)
{
	if (stale)
		return RCXLB_MAX_BACKENDS;
	return table->members > SHARE_FEW ? 1 : SHARE_MEMBERS;
}

/* Completes the rule by what there is at the moment. Returns the backend that is far behind, or RCXLB_NO_BACKEND. */
static __noinline __u32 share_of(__u32 service, __u32 family, const struct rcxlb_table *table, struct rcxlb_rule *rule,
				 __u64 now)
{
	__u32 key = RCXLB_SHARE_KEY(service, family == AF_INET6);
	struct rcxlb_share *share = bpf_map_lookup_elem(&shares, &key);
	struct pass pass = { .table = table, .share = share, .family = family };
	bool stale;

	if (!share)
		return RCXLB_NO_BACKEND;
	if (share->members != table->members)
		*share = (struct rcxlb_share){ .members = table->members };
	stale = now - share->renewed > SHARE_STALE_NS;
	if (stale)
		share_restart(share);
	if (now - share->renewed > SHARE_FRESH_NS) {
		bpf_loop(share_step(table, stale), share_add, &pass, 0);
		if (share->next_member >= table->members)
			share_renew(share, rule, now);
	}
	rule->active = share->active;
	rule->weight = share->weight;
	return emptiest_of(share, table);
}

#endif
