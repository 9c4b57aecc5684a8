// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * sk_lookup: which listening socket gets a new connection. Service → table → backend → assign.
 *
 * Runs for every packet that belongs to no established connection. Fail-open towards traffic that is not ours (passed
 * untouched, as if rcxlb were not there); fail-closed towards a service without a usable backend (dropped: the client
 * gets a RST at once instead of somebody else's socket). Each exit is counted in `exits`.
 */
#include "maps.bpf.h"
#include "ctx.bpf.h"
#include "rcxlb/choice.h"

#define COUNT(exits, field)                                                                                            \
	do {                                                                                                           \
		if (exits)                                                                                             \
			(exits)->field++;                                                                              \
	} while (0)

static __always_inline struct rcxlb_exits *exits_of(__u32 service)
{
	return bpf_map_lookup_elem(&exits, &service);
}

/* By exact address, else by the any-address of the family. `local` becomes the key that was found. */
static __always_inline struct rcxlb_service *find_service(struct rcxlb_endpoint *local, __u32 family)
{
	struct rcxlb_service *service = bpf_map_lookup_elem(&services, local);

	if (service)
		return service;
	endpoint_set_any(local, family);
	return bpf_map_lookup_elem(&services, local);
}

static __always_inline bool is_down(__u32 id)
{
	struct rcxlb_health *check = bpf_map_lookup_elem(&health, &id);

	return check && check->state == RCXLB_HEALTH_DOWN &&
	       bpf_ktime_get_ns() - check->renewed <= RCXLB_HEALTH_INTERVALS * 1000000ull * check->interval_ms;
}

/* Does the listener in this row exist, and does it take the client? Two bits: 1 exists, 2 takes. */
static __always_inline __u32 look_at(__u32 key, __u32 family)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &key);
	struct tcp_sock *tcp;
	bool ipv6_only = false;
	__u32 seen = 0;

	if (!sk)
		return 0;
	if (sk->state == BPF_TCP_LISTEN) {
		if (sk->family == AF_INET6 && family == AF_INET) {
			tcp = bpf_skc_to_tcp_sock(sk);
			ipv6_only = tcp && BPF_CORE_READ_BITFIELD_PROBED(&tcp->inet_conn.icsk_inet.sk.__sk_common,
									 skc_ipv6only);
		}
		seen = 1 | (socket_takes(sk->family, ipv6_only, family) ? 2 : 0);
	}
	bpf_sk_release(sk);
	return seen;
}

struct rows {
	__u32 id;
	__u32 family;
	__u32 key;  /* out: of the last one looked at */
	__u32 seen; /* out: of all */
};

/* bpf_loop(): the next row of a backend whose first listener is gone or cannot take the client. */
static long look_at_row(__u32 i, struct rows *rows)
{
	rows->key = (i + 1) % RCXLB_ROWS * RCXLB_MAX_BACKENDS + rows->id;
	rows->seen |= look_at(rows->key, rows->family);
	return !!(rows->seen & 2);
}

/*
 * Facts about one candidate; returns the key of a listener of it in `listeners`. A global function: verified once, not
 * once per round of the walk.
 */
__noinline int probe(__u32 id, __u32 family, struct rcxlb_facts *facts)
{
	struct rows rows = { .id = id, .family = family, .key = id };
	struct rcxlb_backend *backend;
	struct rcxlb_load *entry;

	if (!facts)
		return 0;
	__builtin_memset(facts, 0, sizeof(*facts));
	backend = bpf_map_lookup_elem(&backends, &id);
	entry = bpf_map_lookup_elem(&load, &id);
	if (!backend || !entry)
		return 0;
	rows.seen = look_at(id, family);
	if (!(rows.seen & 2) && entry->rows > 1)
		bpf_loop(entry->rows - 1, look_at_row, &rows, 0);
	facts->listens = rows.seen & 1;
	facts->takes = !!(rows.seen & 2);
	facts->draining = !!(backend->flags & RCXLB_BACKEND_DRAINING);
	facts->down = is_down(id);
	return rows.key;
}

/* A connection on its way to a backend. */
struct request {
	const struct rcxlb_table *table;
	struct rcxlb_why *record; /* where to explain, or NULL */
	struct rcxlb_walk walk;
	struct rcxlb_choice choice;
	__u32 family;
	__u32 former; /* candidate looked at before */
	int key;      /* of the chosen backend's listener, or -1 */
};

static __always_inline void explain_step(struct rcxlb_why *record, __u32 id, const struct rcxlb_facts *facts)
{
	__u32 at = record->steps++;

	if (at >= RCXLB_WHY_STEPS)
		return;
	record->step[at].backend = id;
	record->step[at].verdict = rcxlb_judge(facts);
}

/* bpf_loop(): one candidate; 1 ends the walk. */
static long look(__u32 i, struct request *request)
{
	__u32 id = rcxlb_candidate(request->table, &request->walk, i);
	struct rcxlb_facts facts = {};
	int key, done;

	if (id == request->former) /* two slots of one backend */
		return 0;
	request->former = id;
	key = probe(id, request->family, &facts);
	if (request->record)
		explain_step(request->record, id, &facts);
	done = rcxlb_offer(&request->choice, id, &facts);
	if (request->choice.chosen == id)
		request->key = key;
	return done;
}

static __always_inline void choose(struct request *request, __u64 hash, __u8 balance)
{
	request->walk = rcxlb_walk(request->table, hash);
	request->choice = rcxlb_choice(balance);
	request->former = RCXLB_NO_BACKEND;
	request->key = -1;
	bpf_loop(request->walk.candidates, look, request, 0);
}

static __always_inline long assign(struct bpf_sk_lookup *ctx, __u32 key)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &key);
	long err;

	if (!sk)
		return -1;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err;
}

static __always_inline void count_steered(const struct rcxlb_choice *choice)
{
	__u32 id = choice->chosen;
	struct rcxlb_load *entry = bpf_map_lookup_elem(&load, &id);

	if (!entry)
		return;
	__sync_fetch_and_add(&entry->steered, 1);
	if (choice->failover)
		__sync_fetch_and_add(&entry->failovers, 1);
}

static __always_inline struct rcxlb_why *explain(const struct rcxlb_endpoint *client,
						 const struct rcxlb_endpoint *local, __u32 service, __u64 hash)
{
	__u32 zero = 0;
	struct rcxlb_why *record = bpf_map_lookup_elem(&why, &zero);

	if (!record)
		return NULL;
	record->client = *client;
	record->service = *local;
	record->hash = hash;
	record->slot = hash % RCXLB_TABLE_SIZE;
	record->service_id = service;
	record->chosen = RCXLB_NO_BACKEND;
	record->steps = 0;
	return record;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	/* A packet comes in by an interface. Without one it is a question: `rcxlb why`, or a look-up of the kernel's
	 * own. */
	bool asked = !ctx->ingress_ifindex;
	struct request request = { .family = ctx->family };
	struct rcxlb_endpoint client, local;
	struct rcxlb_service *service;
	struct rcxlb_exits *count;
	__u32 id, zero = 0;
	__u64 hash;
	void *inner;

	/* Keeps the type in the BTF, by which bpftool shows tables: the compiler leaves out what is only pointed at. */
	__asm__ volatile("" : : "r"(bpf_core_type_id_local(struct rcxlb_table)));

	if (ctx->protocol != IPPROTO_TCP) {
		count = exits_of(RCXLB_MAX_SERVICES);
		COUNT(count, not_tcp);
		return SK_PASS;
	}
	lookup_local(ctx, &local);
	service = find_service(&local, request.family);
	if (!service) {
		count = exits_of(RCXLB_MAX_SERVICES);
		COUNT(count, no_service);
		return SK_PASS;
	}
	id = service->id;
	lookup_client(ctx, &client);
	hash = rcxlb_hash(service, &client, &local);
	count = asked ? NULL : exits_of(id);
	request.record = asked ? explain(&client, &local, id, hash) : NULL;

	inner = bpf_map_lookup_elem(&tables, &id);
	request.table = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
	if (!request.table || !request.table->members) {
		COUNT(count, no_backend);
		return SK_DROP;
	}
	for (int attempt = 0; attempt < RCXLB_ATTEMPTS; attempt++) {
		choose(&request, hash, service->balance);
		if (request.key < 0) {
			COUNT(count, none_usable);
			return SK_DROP;
		}
		if (assign(ctx, request.key))
			continue;
		if (request.record)
			request.record->chosen = request.choice.chosen;
		if (!asked)
			count_steered(&request.choice);
		COUNT(count, assigned);
		return SK_PASS;
	}
	COUNT(count, assign_failed);
	return SK_DROP;
}
