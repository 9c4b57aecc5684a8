// SPDX-License-Identifier: BSD-2-Clause
#include "agent/prober.h"

#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/check.h"
#include "core/check.h"
#include "core/endpoint.h"
#include "core/health.h"
#include "proxy/clock.h"
#include "rcxlb/choice.h"

#define JITTER	 10  /* percent of the interval, so that not all are checked at once for ever */
#define SOON_MS	 250 /* until everybody is checked for the first time, where intervals are long */
#define PAUSE_MS 5   /* after a check that took longer than the interval */

#define LEARNED_BY_PROXY 0x10000 /* a flag of what was learned: behind a header of the PROXY protocol */

struct prober {
	struct probers *all;
	struct event *clock;
	struct check *check; /* under way, or NULL */
	uint64_t began;	     /* the last one, or the first of a row of paths */
	struct rcxlb_endpoint endpoint;
	struct rcxlb_check spec;
	bool used;
	bool own_port;	 /* connects to it might be steered */
	bool send_proxy; /* it wants a header of the PROXY protocol first */
	bool elsewhere;	 /* whether it listens is known by nothing else */
	bool spoke;	 /* HTTP, once */
	uint32_t path;	 /* of health_path(), when the type is auto; behind the last one nothing is asked for */
	struct health health;
	struct prober_facts facts;
};

struct probers {
	struct event_base *base;
	struct watch *watch;
	prober_changed changed;
	void *context;
	struct prober prober[RCXLB_MAX_BACKENDS];
};

static uint32_t id_of(const struct prober *prober)
{
	return prober - prober->all->prober;
}

static uint32_t draw(uint32_t below)
{
	uint32_t number;

	evutil_secure_rng_get_bytes(&number, sizeof(number));
	return below ? number % below : 0;
}

static void wait_ms(struct prober *prober, uint32_t ms)
{
	struct timeval after = timeval_of_ms(ms);

	evtimer_add(prober->clock, &after);
}

static uint32_t jitter_of(const struct prober *prober)
{
	return (uint64_t)prober->spec.interval_ms * JITTER / 100;
}

/* From the beginning of one check to that of the next: one that takes long must not make the others rarer. */
static void wait_interval(struct prober *prober)
{
	uint32_t jitter = jitter_of(prober);
	uint64_t wish = (uint64_t)prober->spec.interval_ms - jitter + draw(2 * jitter + 1),
		 took = (clock_ns(CLOCK_MONOTONIC) - prober->began) / 1000000;

	wait_ms(prober, wish > took + PAUSE_MS ? wish - took : PAUSE_MS);
}

/* As a number that is not 0 once something is known. */
static uint32_t learned_of(const struct prober *prober)
{
	if (!prober->spoke && !prober->path)
		return 0;
	return (prober->path + 1) | (prober->send_proxy ? LEARNED_BY_PROXY : 0);
}

/* What the kernel reads. The state last: until then the entry is as old as it was. */
static void publish(struct prober *prober, bool changed, const char *reason)
{
	struct rcxlb_health *entry = watch_health(prober->all->watch, id_of(prober));
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	entry->interval_ms = prober->spec.interval_ms + jitter_of(prober);
	entry->renewed = now;
	entry->learned = learned_of(prober);
	if (changed)
		entry->since = now;
	/* Who is down may be so for another reason by now; an up one has none, although a check of it may have failed.
	 */
	if (changed || (reason[0] && prober->health.state == RCXLB_HEALTH_DOWN && strcmp(entry->reason, reason)))
		snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
	__atomic_store_n(&entry->state, prober->health.state, __ATOMIC_RELEASE);
}

static void forget(struct prober *prober)
{
	struct rcxlb_health *entry = watch_health(prober->all->watch, id_of(prober));

	prober->health = (struct health){};
	prober->path = 0;
	prober->spoke = false;
	entry->learned = 0;
	__atomic_store_n(&entry->state, RCXLB_HEALTH_UNKNOWN, __ATOMIC_RELEASE);
}

static void note(struct prober *prober, const struct check_result *result, bool good)
{
	bool changed = health_note(&prober->health, good, prober->spec.rise, prober->spec.fall);

	*(good ? &prober->facts.good : &prober->facts.bad) += 1;
	prober->facts.took_ns = result->took_ns;
	publish(prober, changed, good ? "" : result->reason);
	if (changed)
		prober->all->changed(id_of(prober), prober->health.state, good ? "" : result->reason,
				     prober->all->context);
}

static void begin(struct prober *prober);

/*
 * Of the type auto: true when this answer says nothing of its health, but that the path is not there or that it is no
 * HTTP server. Who has spoken HTTP once has to answer from then on; of the others it is enough that they accept.
 */
static bool learn(struct prober *prober, const struct check_result *result)
{
	if (prober->spec.type != RCXLB_CHECK_AUTO || !health_path(prober->path))
		return false;
	if (result->status)
		prober->spoke = true;
	if (result->status && health_path_is_missing(result->status)) {
		prober->path++;
		return true;
	}
	if (prober->spoke || result->outcome != CHECK_STRANGE)
		return false;
	while (health_path(prober->path))
		prober->path++;
	return true;
}

/* Does the kernel tell when it listens no more? Not of one elsewhere, nor always of one that only workers reach. */
static bool is_seen(const struct prober *prober)
{
	return !prober->elsewhere && !watch_load(prober->all->watch, id_of(prober)).unassignable;
}

static void on_done(const struct check_result *result, void *context)
{
	struct prober *prober = context;

	prober->check = NULL;
	if (result->outcome == CHECK_REFUSED && is_seen(prober)) { /* absent, which is no matter of health */
		forget(prober);
		wait_interval(prober);
		return;
	}
	if (learn(prober, result)) {
		begin(prober);
		return;
	}
	note(prober, result,
	     result->outcome == CHECK_GOOD ||
		 (result->outcome == CHECK_SILENT && !prober->spoke && prober->spec.type == RCXLB_CHECK_AUTO));
	wait_interval(prober);
}

static void on_dials(const struct rcxlb_endpoint *local, void *context)
{
	struct prober *prober = context;

	watch_probe(prober->all->watch, local, id_of(prober));
}

static void on_ended(const struct rcxlb_endpoint *local, void *context)
{
	struct prober *prober = context;

	watch_unprobe(prober->all->watch, local);
}

static const char *path_of(const struct prober *prober)
{
	switch (prober->spec.type) {
	case RCXLB_CHECK_HTTP:
		return prober->spec.path;
	case RCXLB_CHECK_AUTO:
		return health_path(prober->path);
	default:
		return NULL;
	}
}

static void begin(struct prober *prober)
{
	static const uint16_t fine[] = { RCXLB_CHECK_STATUS };
	bool told = prober->spec.type == RCXLB_CHECK_HTTP;
	struct check_request request = {
		.backend = prober->endpoint,
		.path = path_of(prober),
		.host = prober->spec.host,
		.body = told ? prober->spec.body : "",
		.status_from = told ? prober->spec.status_from : fine[0],
		.status_to = told ? prober->spec.status_to : fine[1],
		.timeout_ms = prober->spec.timeout_ms,
		.send_proxy = prober->send_proxy,
	};
	struct check_hooks hooks = {
		.dials = prober->own_port && !prober->elsewhere ? on_dials : NULL,
		.ended = on_ended,
		.done = on_done,
		.context = prober,
	};

	prober->check = check_start(prober->all->base, &request, &hooks);
	wait_ms(prober, prober->spec.interval_ms);
}

/*
 * Time for the next check, which also follows one that could not begin: no socket, no memory, and nothing learned. Or
 * one takes longer than the interval: until it is over what is known of the backend stays valid.
 */
static void on_clock(evutil_socket_t fd, short what, void *context)
{
	struct prober *prober = context;

	(void)fd;
	(void)what;
	if (prober->check) {
		watch_health(prober->all->watch, id_of(prober))->renewed = clock_ns(CLOCK_MONOTONIC);
		wait_ms(prober, prober->spec.interval_ms);
		return;
	}
	prober->began = clock_ns(CLOCK_MONOTONIC);
	begin(prober);
}

static void halt(struct prober *prober)
{
	check_cancel(prober->check);
	prober->check = NULL;
	if (prober->clock)
		event_free(prober->clock);
	prober->clock = NULL;
}

static void stop(struct prober *prober)
{
	halt(prober);
	forget(prober);
	*prober = (struct prober){ .all = prober->all };
}

/*
 * What a former agent knew, unless it was of an instance that has been restarted since: the verdict of one that ended a
 * moment ago, and of any how the instance is asked, if it was asked with a header as now or without as now.
 */
static void take_over(struct prober *prober)
{
	struct rcxlb_health *entry = watch_health(prober->all->watch, id_of(prober));
	bool restarted = watch_load(prober->all->watch, id_of(prober)).since > entry->renewed;
	bool asked_alike = !(entry->learned & LEARNED_BY_PROXY) == !prober->send_proxy;
	uint32_t learned = restarted || !asked_alike ? 0 : entry->learned;

	if (!restarted && rcxlb_is_fresh(entry, clock_ns(CLOCK_MONOTONIC)))
		prober->health.state = entry->state;
	else
		forget(prober);
	if (prober->spec.type == RCXLB_CHECK_AUTO && learned) {
		prober->spoke = true;
		prober->path = (learned & ~LEARNED_BY_PROXY) - 1;
		entry->learned = learned;
	}
}

/* The first check, or the first of another rhythm. */
static void begin_soon(struct prober *prober)
{
	uint32_t quarter = prober->spec.interval_ms / 4;

	prober->clock = evtimer_new(prober->all->base, on_clock, prober);
	if (prober->clock)
		wait_ms(prober, draw(quarter < SOON_MS ? quarter + 1 : SOON_MS));
	else
		stop(prober);
}

static void start(struct prober *prober, const struct rcxlb_endpoint *endpoint, const struct rcxlb_check *spec,
		  bool send_proxy)
{
	prober->used = true;
	prober->send_proxy = send_proxy;
	prober->endpoint = *endpoint;
	prober->spec = *spec;
	take_over(prober);
	begin_soon(prober);
}

/* Do both ask the same and want the same answer? */
static bool is_same_question(const struct rcxlb_check *a, struct rcxlb_check b)
{
	b.interval_ms = a->interval_ms;
	b.timeout_ms = a->timeout_ms;
	b.rise = a->rise;
	b.fall = a->fall;
	return check_equal(a, &b);
}

/* Of an address that is checked already. When only the rhythm is another one what is known stays known. */
static void change(struct prober *prober, const struct rcxlb_check *spec)
{
	struct rcxlb_endpoint endpoint = prober->endpoint;
	bool send_proxy = prober->send_proxy;

	if (is_same_question(&prober->spec, *spec)) {
		halt(prober);
		prober->spec = *spec;
		prober->health.row = 0;
		begin_soon(prober);
	} else {
		stop(prober);
		start(prober, &endpoint, spec, send_proxy);
	}
}

void probers_follow(struct probers *probers, const struct model *model)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		const struct model_backend *backend = &model->backend[id];
		const struct rcxlb_check *spec = backend->used ? model_check(model, id) : NULL;
		struct prober *prober = &probers->prober[id];
		bool send_proxy = model_sends_proxy(model, id); /* another question, to which it may answer otherwise */

		if (prober->used && (!spec || !endpoint_equal(&prober->endpoint, &backend->endpoint) ||
				     prober->send_proxy != send_proxy))
			stop(prober);
		if (spec && !prober->used)
			start(prober, &backend->endpoint, spec, send_proxy);
		else if (spec && !check_equal(spec, &prober->spec))
			change(prober, spec);
		prober->own_port = model_is_own_port(model, backend->endpoint.port);
		prober->elsewhere = backend->elsewhere;
	}
}

void probers_renew(struct probers *probers, uint32_t backend)
{
	struct prober *prober = &probers->prober[backend % RCXLB_MAX_BACKENDS];

	if (!prober->used)
		return;
	check_cancel(prober->check);
	prober->check = NULL;
	forget(prober);
	wait_ms(prober, 0);
}

struct prober_facts probers_facts(const struct probers *probers, uint32_t backend)
{
	const struct prober *prober = &probers->prober[backend];
	struct prober_facts facts = prober->facts;

	facts.checked = prober->used;
	facts.state = prober->health.state;
	facts.since = prober->health.state ? watch_health(probers->watch, backend)->since : 0;
	return facts;
}

struct probers *probers_new(struct event_base *base, struct watch *watch, prober_changed changed, void *context)
{
	struct probers *probers = calloc(1, sizeof(*probers));

	if (!probers)
		return NULL;
	probers->base = base;
	probers->watch = watch;
	probers->changed = changed;
	probers->context = context;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		probers->prober[id].all = probers;
	watch_unprobe_all(watch); /* the checks of a killed agent are no more */
	return probers;
}

void probers_free(struct probers *probers)
{
	for (uint32_t id = 0; probers && id < RCXLB_MAX_BACKENDS; id++)
		if (probers->prober[id].used)
			halt(&probers->prober[id]); /* the next agent takes over what is known */
	free(probers);
}
