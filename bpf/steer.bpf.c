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
#include "loops.bpf.h"
#include "relayed.bpf.h"
#include "shares.bpf.h"
#include "workers.bpf.h"
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

	return check && check->state == RCXLB_HEALTH_DOWN && rcxlb_is_fresh(check, bpf_ktime_get_ns());
}

/* A search among the listening sockets of one backend. An SO_REUSEPORT group has several, each in a row. */
struct rows {
	__u64 now;
	__u16 id;
	__u16 blocked_ms; /* 0: event loops are not looked at */
	__u16 start;
	__u8 family;
	__u8 count;
	__u8 looked;   /* out: at so many that can take the client */
	__u8 exists;   /* out: a listener does */
	__u8 relayed;  /* HOW_RELAYED was asked for */
	__u8 sight;    /* out: of the best one that can take the client, or SIGHT_NONE */
	__u32 key;     /* out: of that one */
	__u32 queue;   /* out: its accept queue */
	__u32 pending; /* out: handshakes that are not complete */
};

#define ROWS_LOOKS 8

/* bpf_loop(): the next row; 1 ends the search. */
static long look_at_row(__u32 i, struct rows *rows)
{
	__u32 key = (rows->start + i) % rows->count * RCXLB_MAX_BACKENDS + rows->id,
	      sight = LOOPS_SIGHT(RCXLB_LOOP_UNKNOWN, 0);
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &key);
	struct tcp_sock *tcp;

	if (!sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (sk->state == BPF_TCP_LISTEN && tcp) {
		struct sock *inner = &tcp->inet_conn.icsk_inet.sk;

		rows->exists = 1;
		if (socket_takes(sk->family,
				 sk->family == AF_INET6 &&
				     BPF_CORE_READ_BITFIELD_PROBED(&inner->__sk_common, skc_ipv6only),
				 rows->family)) {
			rows->looked++;
			if (rows->blocked_ms)
				sight = loops_look(rows->id, (__u64)BPF_CORE_READ(inner, sk_wq), rows->now,
						   rows->blocked_ms);
			if (sight < rows->sight) {
				rows->sight = sight;
				rows->key = key;
				rows->queue = inner->sk_ack_backlog;
				rows->pending = tcp->inet_conn.icsk_accept_queue.qlen.counter;
			}
		}
	}
	bpf_sk_release(sk);
	return rows->sight == LOOPS_SIGHT(RCXLB_LOOP_ASLEEP, 0) || (rows->looked && !rows->blocked_ms) ||
	       rows->looked >= ROWS_LOOKS;
}

/* In the place of a listener's key: there is none; none is needed, as a worker connects to it. */
#define KEY_NONE    -1
#define KEY_RELAYED -2

#define HOW_RELAYED 0x100 /* who can be reached by a worker alone counts as well */

/*
 * Facts about one candidate; returns the key of a listener of it in `listeners`, or KEY_RELAYED. With blocked_ms 0
 * event loops are not looked at. `how`: the client's address family, HOW_RELAYED, and 16 bits above them by which row
 * the search begins. A global function: verified once, not once per round of the walk.
 */
__noinline int probe(__u32 id, __u32 how, __u32 blocked_ms, __u64 now, struct rcxlb_facts *facts)
{
	struct rows rows = { .id = id,
			     .now = now,
			     .family = how,
			     .relayed = how >> 8 & 1,
			     .blocked_ms = blocked_ms,
			     .count = 1,
			     .sight = SIGHT_NONE };
	struct rcxlb_backend *backend;
	struct rcxlb_load *entry;

	if (!facts)
		return 0;
	__builtin_memset(facts, 0, sizeof(*facts));
	backend = bpf_map_lookup_elem(&backends, &id);
	entry = bpf_map_lookup_elem(&load, &id);
	if (!backend || !entry)
		return 0;
	if (entry->rows > 1) {
		rows.count = entry->rows;
		rows.start = blocked_ms ? (how >> 16) % entry->rows : 0;
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
	facts->queue = rows.queue;
	facts->active = entry->active;
	facts->pending = rows.pending;
	facts->passing = rcxlb_is_passing(entry->steered, entry->active);
	facts->weight = backend->weight;
	facts->max_connections = backend->max_connections;
	return !rows.exists && rows.relayed && relayed_facts(id, facts) ? KEY_RELAYED : (int)rows.key;
}

/*
 * A connection on its way to a backend. In a map because the stacks of all that look at it together have 512 bytes; a
 * CPU steers one connection at a time.
 */
struct request {
	struct rcxlb_endpoint client;
	struct rcxlb_endpoint local; /* as it stands in `services` */
	struct rcxlb_endpoint leg;   /* where a worker dials from, for that client */
	struct rcxlb_walk walk;
	struct rcxlb_choice choice;
	struct rcxlb_rule rule;
	struct rcxlb_facts facts; /* of the candidate that is looked at */
	__u64 hash;
	__u64 now;
	__u32 family;
	__u32 asks;	  /* 1: a worker does, for this client */
	__u32 relayed;	  /* HOW_RELAYED, or 0 when no worker would take the client */
	__u32 blocked_ms; /* 0: the rule does not ask for event loops */
	__u32 slow_start_ms;
	__u32 behind;		  /* backend that has far less than its share, or RCXLB_NO_BACKEND */
	__u32 highest;		  /* id that was looked at */
	int key;		  /* of the chosen backend's listener, or KEY_NONE, KEY_RELAYED */
	__u16 ahead[RCXLB_AHEAD]; /* slots of the walk that were read: those that the next candidate stands among */
};

/* The second is for questions: they come from a process, which a connection may interrupt. */
MAP(requests, PERCPU_ARRAY, 2, __u32, struct request, 0);

/* With what has to stay a pointer for the verifier. */
struct search {
	struct request *request;
	const struct rcxlb_table *table;
	struct rcxlb_why *record; /* where to explain, or NULL */
};

/* The rules, as a global function for the same reason as probe(). */
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
	__u32 how = request->family | request->relayed | (__u32)(request->hash >> 40) << 16;
	int key = probe(id, how, request->blocked_ms, request->now, facts);

	if (request->slow_start_ms)
		facts->warming = is_warming(id, request->hash, request->now, request->slow_start_ms);
	if (id > request->highest)
		request->highest = id;
	if (search->record)
		explain_step(search->record, &request->rule, id, facts);
	return key;
}

/* rcxlb_candidate(), by slots that were read ahead. Most often the first is enough. */
static __always_inline __u32 candidate(const struct search *search, __u32 i)
{
	struct request *request = search->request;
	__u32 at = i % RCXLB_AHEAD;

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
	if (request->choice.chosen == id)
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

/* Global, as probe() is: verified once, not once per attempt. */
__noinline int choose(struct request *request, const struct rcxlb_table *table, struct rcxlb_why *record)
{
	struct search search = { .request = request, .table = table, .record = record };

	if (!request || !table)
		return 0;
	request->walk = rcxlb_walk(table, request->hash);
	request->choice = rcxlb_choice(table, &request->walk);
	request->key = KEY_NONE;
	if (!take_behind(&search))
		bpf_loop(request->walk.candidates, look, &search, 0);
	return 0;
}

/* What the service demands. The clock waits for all reads before it: it is read before those that take long. */
static __always_inline void demand(struct request *request, const struct rcxlb_service *service)
{
	bool looks = service->balance != RCXLB_BALANCE_CONSISTENT;

	request->rule = (struct rcxlb_rule){ .balance = service->balance, .load_factor = service->load_factor };
	request->blocked_ms = looks ? service->blocked_ms : 0;
	request->slow_start_ms = looks ? service->slow_start_ms : 0;
	request->highest = 0;
	request->relayed = HOW_RELAYED;
	request->now = looks ? bpf_ktime_get_ns() : 0;
}

/* And at the moment. */
static __always_inline void compare(const struct search *search, __u32 service)
{
	struct request *request = search->request;
	__u32 behind = RCXLB_NO_BACKEND;

	if (request->rule.balance != RCXLB_BALANCE_CONSISTENT)
		behind = share_of(service, search->table, &request->rule, request->now);
	request->behind = request->rule.balance == RCXLB_BALANCE_LEAST ? behind : RCXLB_NO_BACKEND;
}

/* The very socket that was looked at: the kernel would choose another one of its SO_REUSEPORT group. */
static __always_inline long assign(struct bpf_sk_lookup *ctx, __u32 key, __u64 flags)
{
	return assign_from(ctx, &listeners, key, flags);
}

static __always_inline void count_steered(const struct rcxlb_choice *choice)
{
	__u32 id = choice->chosen;
	struct rcxlb_load *entry = bpf_map_lookup_elem(&load, &id);

	if (!entry)
		return;
	__sync_fetch_and_add(&entry->steered, 1);
	if (rcxlb_is_failover(choice))
		__sync_fetch_and_add(&entry->failovers, 1);
	if (rcxlb_is_spilled(choice))
		__sync_fetch_and_add(&entry->spilled, 1);
}

/* Somebody listens to each connection. A full ring costs the record and not the connection. */
static __always_inline void tell(const struct request *request, __u32 service, __u32 kind, struct rcxlb_exits *count)
{
	__u32 zero = 0;
	struct rcxlb_audience *wish = bpf_map_lookup_elem(&audience, &zero);
	struct rcxlb_event *event;
	__u64 now;

	if (!wish || !wish->until)
		return;
	now = bpf_ktime_get_ns();
	if (now > wish->until)
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		COUNT(count, untold);
		return;
	}
	event->time = now;
	event->kind = kind;
	event->backend = kind == RCXLB_EVENT_CONNECTION ? request->choice.chosen : RCXLB_NO_BACKEND;
	event->generation = 0;
	event->service = service;
	event->client = request->client;
	event->local = request->local;
	event->reason = rcxlb_is_failover(&request->choice)  ? RCXLB_REASON_FAILOVER
			: rcxlb_is_spilled(&request->choice) ? RCXLB_REASON_SPILLED
							     : RCXLB_REASON_HASH;
	event->unused = 0;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline struct rcxlb_why *explain(const struct request *request, __u32 service)
{
	__u32 zero = 0;
	struct rcxlb_why *record = bpf_map_lookup_elem(&why, &zero);

	if (!record)
		return NULL;
	record->client = request->client;
	record->service = request->local;
	record->hash = request->hash;
	record->slot = request->hash % RCXLB_TABLE_SIZE;
	record->service_id = service;
	record->chosen = RCXLB_NO_BACKEND;
	record->worker = 0;
	record->steps = 0;
	record->active = 0;
	record->weight = 0;
	record->emptiest = RCXLB_NO_BACKEND;
	return record;
}

static __always_inline void explain_demand(struct rcxlb_why *record, const struct request *request)
{
	record->active = request->rule.active;
	record->weight = request->rule.weight;
	record->emptiest = request->behind;
}

static __always_inline int steer_to_worker(struct bpf_sk_lookup *ctx, __u32 service, const struct request *request,
					   struct rcxlb_exits *count)
{
	if (!give_to_worker(ctx, service, request->hash, request->family)) {
		COUNT(count, no_worker);
		return SK_DROP;
	}
	COUNT(count, proxied);
	return SK_PASS;
}

/* Looked up once more: what is kept over the choice is kept on a stack that is full. */
static __always_inline void tell_worker(const struct request *request)
{
	struct rcxlb_peer *peer = bpf_map_lookup_elem(&peers, &request->leg);

	if (peer)
		peer->backend = request->choice.chosen;
}

/* A worker asked: it is told in its own entry, and hears by the RST that the answer is there. */
static __always_inline int answer(const struct request *request, __u32 service, struct rcxlb_exits *count)
{
	__u32 id = request->choice.chosen;
	struct rcxlb_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct rcxlb_peer *peer = bpf_map_lookup_elem(&peers, &request->leg);

	if (!peer || !backend || !load_of(id, backend->generation)) {
		COUNT(count, none_usable);
		return SK_DROP;
	}
	peer->instance = backend->endpoint;
	peer->backend = id;
	peer->generation = backend->generation;
	peer->elsewhere = !!(backend->flags & RCXLB_BACKEND_ELSEWHERE);
	COUNT(count, told);
	count_steered(&request->choice);
	tell(request, service, RCXLB_EVENT_CONNECTION, count);
	return SK_DROP;
}

#define AGAIN -1 /* no verdict yet: the choice is to be made once more */

/* No connection can be assigned to who was chosen. */
static __always_inline int steer_relayed(struct bpf_sk_lookup *ctx, struct search *search, __u32 service,
					 struct rcxlb_exits *count)
{
	struct request *request = search->request;

	if (search->record) {
		search->record->chosen = request->choice.chosen;
		search->record->worker = 1;
		return SK_PASS;
	}
	if (request->asks)
		return answer(request, service, count);
	if (give_to_worker(ctx, service, request->hash, request->family)) {
		COUNT(count, proxied);
		return SK_PASS;
	}
	request->relayed = 0; /* then one that needs none */
	return AGAIN;
}

/* Nobody was chosen. Unless one asks, a worker may take the client where only the address family is in the way. */
static __always_inline int steer_to_nobody(struct bpf_sk_lookup *ctx, struct search *search, __u32 service,
					   struct rcxlb_exits *count)
{
	struct request *request = search->request;

	if (!request->relayed) {
		COUNT(count, no_worker);
		return SK_DROP;
	}
	if (request->choice.foreign && !request->asks && workers_present()) {
		if (!search->record)
			return steer_to_worker(ctx, service, request, count);
		search->record->worker = 1;
	}
	COUNT(count, none_usable);
	if (!search->record)
		tell(request, service, RCXLB_EVENT_REFUSED, count);
	return SK_DROP;
}

/* There is no listening socket to assign. Not inlined: a stack of its own, beside that of the choice. */
static __noinline int steer_without(struct bpf_sk_lookup *ctx, struct search *search, __u32 service,
				    struct rcxlb_exits *count)
{
	return search->request->key == KEY_RELAYED ? steer_relayed(ctx, search, service, count)
						   : steer_to_nobody(ctx, search, service, count);
}

/* Until a chosen listener is still there when it is assigned. */
static __always_inline int steer_to_backend(struct bpf_sk_lookup *ctx, struct search *search, __u32 service,
					    struct rcxlb_exits *count)
{
	struct request *request = search->request;
	int verdict;

	for (int attempt = 0; attempt < RCXLB_ATTEMPTS; attempt++) {
		choose(request, search->table, search->record);
		if (request->blocked_ms && !search->record)
			loops_watch(request->highest, request->now);
		if (request->key < 0) {
			verdict = steer_without(ctx, search, service, count);
			if (verdict == AGAIN)
				continue;
			return verdict;
		}
		if (assign(ctx, request->key, request->blocked_ms ? BPF_SK_LOOKUP_F_NO_REUSEPORT : 0))
			continue;
		COUNT(count, assigned);
		if (search->record) {
			search->record->chosen = request->choice.chosen;
			return SK_PASS;
		}
		count_steered(&request->choice);
		if (request->asks)
			tell_worker(request);
		tell(request, service, RCXLB_EVENT_CONNECTION, count);
		return SK_PASS;
	}
	COUNT(count, assign_failed);
	return SK_DROP;
}

/*
 * A health check of a backend whose port is the service's as well would be steered to any of them: it goes to the one
 * that the agent said, before it dialled, is to be checked from this address.
 */
static __always_inline bool is_check(const struct rcxlb_service *service, const struct request *request, __u32 *of)
{
	__u32 *id;

	if (!(service->flags & RCXLB_SERVICE_OWN_PORT))
		return false;
	id = bpf_map_lookup_elem(&probes, &request->client);
	if (id)
		*of = *id;
	return !!id;
}

/* Never to another one, whose answer would be taken for its own. */
static __noinline int steer_check(struct bpf_sk_lookup *ctx, const struct request *request, __u32 backend,
				  struct rcxlb_exits *count)
{
	struct rcxlb_facts facts = {};
	int key = probe(backend, request->family | HOW_RELAYED, 0, 0, &facts);

	if (facts.takes && key == KEY_RELAYED) /* the kernel finds it by itself */
		return SK_PASS;
	if (!facts.takes || assign(ctx, key, 0))
		return SK_DROP;
	COUNT(count, checked);
	return SK_PASS;
}

/*
 * Is it a backend's own address that is dialled, and the backend meant by it and no other? So it is when a worker
 * dials, and when the backend was elsewhere and its address has come here since: a worker's connect would come to a
 * worker.
 */
static __noinline bool is_own_address(struct bpf_sk_lookup *ctx, const struct rcxlb_service *service,
				      const struct request *request)
{
	struct rcxlb_backend *backend;
	struct rcxlb_endpoint dialled;
	__u32 *id;

	if (!(service->flags & RCXLB_SERVICE_OWN_PORT))
		return false;
	lookup_local(ctx, &dialled);
	id = bpf_map_lookup_elem(&addresses, &dialled);
	if (!id)
		return false;
	backend = bpf_map_lookup_elem(&backends, id);
	return (backend && backend->flags & RCXLB_BACKEND_ELSEWHERE) || bpf_map_lookup_elem(&peers, &request->client);
}

/* Does a worker dial an instance here, for a client? Then who that is, and for which service. */
static __always_inline struct rcxlb_peer *leg_of(struct bpf_sk_lookup *ctx, const struct request *request)
{
	bool to_leg = ctx->family == AF_INET ? FIELD(ctx, local_ip4) == bpf_htonl(RCXLB_LEG_ADDRESS)
					     : FIELD(ctx, local_port) == RCXLB_LEG_PORT;

	return to_leg ? bpf_map_lookup_elem(&peers, &request->client) : NULL;
}

/* Not inlined: what a hash is made of would lie on the stack beside the choice. */
static __noinline __u64 hash_of(const struct rcxlb_service *service, const struct request *request)
{
	return rcxlb_hash(service, &request->client, &request->local);
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	/* A packet comes in by an interface. Without one it is a question: `rcxlb why`, or a look-up of the kernel's
	 * own. */
	__u32 asked = !ctx->ingress_ifindex, id, checked = 0, zero = 0;
	struct rcxlb_service *service;
	struct search search = {};
	struct rcxlb_exits *count;
	struct request *request;
	struct rcxlb_peer *peer;
	void *inner;

	/* Keeps the type in the BTF, by which bpftool shows tables: the compiler leaves out what is only pointed at. */
	__asm__ volatile("" : : "r"(bpf_core_type_id_local(struct rcxlb_table)));

	request = bpf_map_lookup_elem(&requests, &asked);
	if (ctx->protocol != IPPROTO_TCP || !request) {
		count = exits_of(RCXLB_MAX_SERVICES);
		COUNT(count, not_tcp);
		return SK_PASS;
	}
	lookup_local(ctx, &request->local);
	lookup_client(ctx, &request->client);
	request->family = ctx->family;
	peer = leg_of(ctx, request);
	request->asks = !!peer;
	if (peer) {
		request->leg = request->client;
		request->client = peer->client;
		request->local = peer->service;
	}
	service = find_service(&request->local, request->family);
	if (!service) {
		count = exits_of(RCXLB_MAX_SERVICES);
		COUNT(count, no_service);
		return SK_PASS;
	}
	id = service->id;
	count = asked ? NULL : exits_of(id);
	if (is_check(service, request, &checked))
		return steer_check(ctx, request, checked, count);
	if (!peer && !asked && is_own_address(ctx, service, request))
		return SK_PASS;
	request->hash = hash_of(service, request);
	if (peer && (peer->hash[0] | peer->hash[1]))
		request->hash = (__u64)peer->hash[1] << 32 | peer->hash[0];
	if (service->flags & RCXLB_SERVICE_PROXIED && !peer && !asked)
		return steer_to_worker(ctx, id, request, count);
	demand(request, service);

	inner = bpf_map_lookup_elem(&tables, &id);
	search.request = request;
	search.record = asked ? explain(request, id) : NULL;
	search.table = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
	if (!search.table || !search.table->members) {
		COUNT(count, no_backend);
		return SK_DROP;
	}
	compare(&search, id);
	if (search.record)
		explain_demand(search.record, request);
	return steer_to_backend(ctx, &search, id, count);
}
