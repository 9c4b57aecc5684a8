// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * From the hash to the backend: the candidates of the table one after the other, what is known of each, and the rules
 * of choice.h. Nothing here passes or drops a connection: steer does, by what this leaves.
 */
#include "choose.bpf.h"
#include "ctx.bpf.h"
#include "down.bpf.h"
#include "loops.bpf.h"
#include "maps.bpf.h"
#include "relayed.bpf.h"

/* A search among the listening sockets of one backend. An SO_REUSEPORT group has several, each in a row. */
struct rows {
	struct request *request; /* out, in its facts: the queues of the best one; the flags are not there yet */
	__u16 id;
	__u16 start;
	__u8 count;
	__u8 looked; /* out: at so many that can take the client */
	__u8 exists; /* out: a listener does */
	__u8 sight;  /* out: of the best one that can take the client, or SIGHT_NONE */
	__u32 key;   /* out: of that one */
};

#define ROWS_LOOKS 8

_Static_assert(__builtin_offsetof(struct rcxlb_facts, weight) == sizeof(__u64), "the flags are what is scratch");

/* What was a pointer is a number when it is read again: a load, where bpf_probe_read_kernel() costs twenty. */
static __always_inline __u64 wait_queue_of(const struct sock *sk, volatile __u64 *scratch)
{
	*scratch = (__u64)sk->sk_wq;
	return *scratch;
}

/* As the kernel asks when it looks for a listener itself. */
static __always_inline bool takes(const struct bpf_sock *sk, const struct sock *inner, const struct request *request)
{
	if (sk->bound_dev_if && request->ingress && sk->bound_dev_if != request->ingress)
		return false;
	return socket_takes(sk->family,
			    sk->family == AF_INET6 && BPF_CORE_READ_BITFIELD(&inner->__sk_common, skc_ipv6only),
			    request->family);
}

/* How soon it would accept, by its event loop. Into a full queue nothing comes: the kernel drops the client's SYN. */
static __always_inline __u32 sight_of(const struct rows *rows, const struct sock *inner)
{
	struct request *request = rows->request;
	__u32 sight;

	if (!request->blocked_ms)
		return LOOPS_SIGHT(RCXLB_LOOP_UNKNOWN, 0);
	sight = loops_look(rows->id, wait_queue_of(inner, (__u64 *)&request->facts), request->now, request->blocked_ms,
			   inner->sk_ack_backlog);
	return inner->sk_ack_backlog > inner->sk_max_ack_backlog ? LOOPS_SIGHT(RCXLB_LOOP_FULL, 0) : sight;
}

/* bpf_loop(): the next row; 1 ends the search. */
static long look_at_row(__u32 i, struct rows *rows)
{
	__u32 key = (rows->start + i) % rows->count * RCXLB_MAX_BACKENDS + rows->id, sight;
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &key);
	struct request *request = rows->request;
	struct tcp_sock *tcp;

	if (!sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (sk->state == BPF_TCP_LISTEN && tcp) {
		struct sock *inner = &tcp->inet_conn.icsk_inet.sk;

		rows->exists = 1;
		if (takes(sk, inner, request)) {
			rows->looked++;
			sight = sight_of(rows, inner);
			if (sight < rows->sight) {
				rows->sight = sight;
				rows->key = key;
				request->facts.queue = inner->sk_ack_backlog;
				request->facts.pending = tcp->inet_conn.icsk_accept_queue.qlen.counter;
			}
		}
	}
	bpf_sk_release(sk);
	return rows->sight == LOOPS_SIGHT(RCXLB_LOOP_ASLEEP, 0) || (rows->looked && !request->blocked_ms) ||
	       rows->looked >= ROWS_LOOKS;
}

__noinline int probe(__u32 id, struct request *request)
{
	struct rows rows = { .request = request, .id = id, .count = 1, .sight = SIGHT_NONE };
	struct rcxlb_backend *backend;
	struct rcxlb_facts *facts;
	struct rcxlb_load *entry;

	if (!request)
		return 0;
	facts = &request->facts;
	__builtin_memset(facts, 0, sizeof(*facts));
	backend = bpf_map_lookup_elem(&backends, &id);
	entry = bpf_map_lookup_elem(&load, &id);
	if (!backend || !entry)
		return 0;
	if (entry->rows > 1) {
		rows.count = entry->rows;
		rows.start = request->blocked_ms ? (__u16)(request->hash >> 40) % entry->rows : 0;
		bpf_loop(entry->rows, look_at_row, &rows, 0);
	} else {
		look_at_row(0, &rows);
	}
	facts->listens = rows.exists;
	facts->takes = rows.sight != SIGHT_NONE;
	facts->draining = !!(backend->flags & RCXLB_BACKEND_DRAINING);
	facts->down = is_down(id);
	facts->loop = LOOPS_STATE(rows.sight);
	facts->suspect = LOOPS_SUSPECT(rows.sight);
	facts->active = entry->active;
	facts->warming = 0;
	facts->passing = rcxlb_is_passing(entry->steered, entry->active);
	facts->weight = backend->weight;
	facts->max_connections = backend->max_connections;
	return !rows.exists && request->relayed && relayed_facts(id, facts) ? KEY_RELAYED : (int)rows.key;
}

/* The rules, as a global function for the same reason as choose(). */
__noinline int offer(struct rcxlb_choice *choice, const struct rcxlb_rule *rule, __u32 id,
		     const struct rcxlb_facts *facts)
{
	return choice && rule && facts ? rcxlb_offer(choice, rule, id, facts) : 1;
}

static __always_inline void explain_step(struct rcxlb_why *record, const struct rcxlb_rule *rule, __u32 id,
					 const struct rcxlb_facts *facts)
{
	__u32 at = record->steps++;

	if (at >= RCXLB_WHY_STEPS)
		return;
	record->step[at].backend = id;
	record->step[at].verdict = rcxlb_judge(rule, facts);
	record->step[at].loop = facts->loop;
	record->step[at].active = facts->active;
	record->step[at].queue = facts->queue;
}

static __always_inline bool is_warming(__u32 id, __u64 hash, __u64 now, __u32 slow_start_ms)
{
	struct rcxlb_load *entry = bpf_map_lookup_elem(&load, &id);

	return entry && entry->since && rcxlb_is_warming(hash, (now - entry->since) / 1000000, slow_start_ms);
}

static __always_inline int look_at(const struct search *search, __u32 id)
{
	struct request *request = search->request;
	struct rcxlb_facts *facts = &request->facts;
	int key = probe(id, request);

	if (request->slow_start_ms)
		facts->warming = is_warming(id, request->hash, request->now, request->slow_start_ms);
	if (id > request->highest)
		request->highest = id;
	if (search->record)
		explain_step(search->record, &request->rule, id, facts);
	return key;
}

/*
 * rcxlb_candidate(), by slots that were read ahead. Most often the first is enough, which the choice knows already: no
 * slot is read for others before it was looked at.
 */
static __always_inline __u32 candidate(const struct search *search, __u32 i)
{
	struct request *request = search->request;
	__u32 at = (i - 1) % RCXLB_AHEAD;

	if (!i)
		return request->choice.first;
	if (i >= RCXLB_WALK)
		return rcxlb_candidate(search->table, &request->walk, i);
	if (!at)
		rcxlb_read_ahead(search->table, &request->walk, i, request->ahead);
	return request->ahead[at];
}

/* bpf_loop(): one candidate; 1 ends the walk. */
static long look(__u32 i, struct search *search)
{
	struct request *request = search->request;
	__u32 id = candidate(search, i);
	int key, done;

	if (rcxlb_looked_at(&request->choice, id, i))
		return 0;
	key = look_at(search, id);
	done = offer(&request->choice, &request->rule, id, &request->facts);
	/* One that is looked at again may have gone meanwhile: then it is found out when it is assigned. */
	if (request->choice.chosen == id && request->facts.takes)
		request->key = key;
	barrier_var(done); /* clang 19 knows that it is 0 or 1, and leaves out what tells the verifier */
	return !!done;
}

static __always_inline bool take_behind(const struct search *search)
{
	struct request *request = search->request;
	int key;

	if (request->behind == RCXLB_NO_BACKEND)
		return false;
	key = look_at(search, request->behind);
	if (!rcxlb_offer_behind(&request->choice, &request->rule, request->behind, &request->facts))
		return false;
	request->key = key;
	return true;
}

__noinline int choose(struct request *request, const struct rcxlb_table *table, struct rcxlb_why *record)
{
	struct search search = { .request = request, .table = table, .record = record };

	if (!request || !table)
		return 0;
	request->walk = rcxlb_walk(table, request->hash);
	rcxlb_begin(&request->choice, table, &request->walk);
	request->key = KEY_NONE;
	if (!take_behind(&search))
		bpf_loop(request->walk.candidates, look, &search, 0);
	return 0;
}
