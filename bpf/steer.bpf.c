// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * sk_lookup: which listening socket gets a new connection. Service → table → backend → assign.
 *
 * Runs for every packet that belongs to no established connection. Fail-open towards traffic that is not ours (passed
 * untouched, as if rcxlb were not there); fail-closed towards a service without a usable backend (dropped: the client
 * gets a RST at once instead of somebody else's socket). Each exit is counted in `exits`.
 */
#include "choose.bpf.h"
#include "ctx.bpf.h"
#include "loops.bpf.h"
#include "maps.bpf.h"
#include "relayed.bpf.h"
#include "shares.bpf.h"
#include "workers.bpf.h"

#define COUNT(exits, field)                                                                                            \
	do {                                                                                                           \
		if (exits)                                                                                             \
			(exits)->field++;                                                                              \
	} while (0)

static __always_inline struct rcxlb_exits *exits_of(__u32 service)
{
	return bpf_map_lookup_elem(&exits, &service);
}

static __always_inline struct rcxlb_service *find_any(struct request *request, __u32 family)
{
	endpoint_set_any(&request->any, family);
	request->any.port = request->local.port;
	return bpf_map_lookup_elem(&services, &request->any);
}

/*
 * By exact address, else by the any-address of the family; asked for in the order that most often needs one look-up.
 * `request->local` becomes the key that was found.
 */
static __always_inline struct rcxlb_service *find_service(struct request *request)
{
	struct rcxlb_service *any = find_any(request, request->family), *exact;

	exact = any && !(any->flags & RCXLB_SERVICE_PIERCED) ? NULL : bpf_map_lookup_elem(&services, &request->local);
	if (exact)
		return exact;
	request->local = request->any;
	return any;
}

/*
 * What a worker says is a key of `services`, of whatever address family; or was one when its crew was started, before a
 * reload put the any-address in its place.
 */
static __always_inline struct rcxlb_service *find_leg_service(struct request *request)
{
	struct rcxlb_service *exact = bpf_map_lookup_elem(&services, &request->local), *any;

	if (exact)
		return exact;
	any = find_any(request, endpoint_is_four(&request->local) ? AF_INET : AF_INET6);
	request->local = request->any;
	return any;
}

/* The second is for questions: they come from a process, which a connection may interrupt. */
MAP(requests, PERCPU_ARRAY, 2, __u32, struct request, 0);

/* What the service demands. The clock waits for all reads before it: it is read before those that take long. */
static __always_inline void demand(struct request *request, const struct rcxlb_service *service)
{
	bool looks = service->balance != RCXLB_BALANCE_CONSISTENT;

	request->rule = (struct rcxlb_rule){ .balance = service->balance, .load_factor = service->load_factor };
	request->blocked_ms = looks ? service->blocked_ms : 0;
	request->slow_start_ms = looks ? service->slow_start_ms : 0;
	request->highest = 0;
	request->relayed = 1;
	request->now = looks ? bpf_ktime_get_ns() : 0;
}

/* And at the moment. */
static __always_inline void compare(const struct search *search, __u32 service)
{
	struct request *request = search->request;
	__u32 behind = RCXLB_NO_BACKEND;

	if (request->rule.balance != RCXLB_BALANCE_CONSISTENT)
		behind = share_of(service, request->family, search->table, &request->rule, request->now);
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

/* To a worker, in its own entry: it hears by the RST that the answer is there. */
static __always_inline void answer(const struct request *request, __u32 what)
{
	struct rcxlb_peer *peer = bpf_map_lookup_elem(&peers, &request->leg);

	if (peer)
		peer->answer = what;
}

/* Not inlined: a stack of its own. Without `count` it is a question, and nobody is refused. */
static __noinline int refuse(const struct request *request, __u32 service, struct rcxlb_exits *count)
{
	if (request->asks)
		answer(request, RCXLB_ANSWER_NOBODY);
	if (count)
		tell(request, service, RCXLB_EVENT_REFUSED, count);
	return SK_DROP;
}

static __always_inline int steer_to_worker(struct bpf_sk_lookup *ctx, __u32 service, const struct request *request,
					   struct rcxlb_exits *count)
{
	if (!give_to_worker(ctx, service, request->hash, request->family)) {
		COUNT(count, no_worker);
		return refuse(request, service, count);
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

/* A worker asked who it is to connect to itself. */
static __always_inline int name_instance(const struct request *request, __u32 service, struct rcxlb_exits *count)
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
	peer->answer = backend->flags & RCXLB_BACKEND_ELSEWHERE ? RCXLB_ANSWER_ELSEWHERE : RCXLB_ANSWER_HERE;
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
		return name_instance(request, service, count);
	if (give_to_worker(ctx, service, request->hash, request->family)) {
		COUNT(count, proxied);
		return SK_PASS;
	}
	request->relayed = 0; /* then one that needs none */
	return AGAIN;
}

/* Nobody was chosen. A worker may take the client where only the address family is in the way; one that asks can dial
 * by the other family. */
static __always_inline int steer_to_nobody(struct bpf_sk_lookup *ctx, struct search *search, __u32 service,
					   struct rcxlb_exits *count)
{
	struct request *request = search->request;

	if (!request->relayed) {
		COUNT(count, no_worker);
		return refuse(request, service, count);
	}
	if (request->choice.foreign && request->asks && request->family == AF_INET) {
		answer(request, RCXLB_ANSWER_IPV6);
		COUNT(count, told);
		return SK_DROP;
	}
	if (request->choice.foreign && !request->asks && workers_present()) {
		if (!search->record)
			return steer_to_worker(ctx, service, request, count);
		search->record->worker = 1;
	}
	COUNT(count, none_usable);
	return refuse(request, service, count);
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
	return refuse(request, service, count);
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
static __noinline int steer_check(struct bpf_sk_lookup *ctx, struct request *request, __u32 backend,
				  struct rcxlb_exits *count)
{
	int key;

	request->relayed = 1;
	request->blocked_ms = 0;
	key = probe(backend, request);
	if (request->facts.takes && key == KEY_RELAYED) /* the kernel finds it by itself */
		return SK_PASS;
	if (!request->facts.takes || assign(ctx, key, 0))
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
	return lookup_may_be_to_leg(ctx) ? bpf_map_lookup_elem(&peers, &request->client) : NULL;
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
		count = asked ? NULL : exits_of(RCXLB_MAX_SERVICES);
		COUNT(count, not_tcp);
		return SK_PASS;
	}
	lookup_local(ctx, &request->local);
	lookup_client(ctx, &request->client);
	request->family = ctx->family;
	request->ingress = ctx->ingress_ifindex;
	peer = leg_of(ctx, request);
	request->asks = !!peer;
	if (peer) {
		request->leg = request->client;
		request->client = peer->client;
		request->local = peer->service;
	}
	service = peer ? find_leg_service(request) : find_service(request);
	if (!service) {
		count = asked ? NULL : exits_of(RCXLB_MAX_SERVICES);
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
		return refuse(request, id, count);
	}
	compare(&search, id);
	if (search.record)
		explain_demand(search.record, request);
	return steer_to_backend(ctx, &search, id, count);
}
