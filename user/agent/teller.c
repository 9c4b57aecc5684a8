// SPDX-License-Identifier: BSD-2-Clause
#include "agent/teller.h"

#include <stdlib.h>

#include "core/endpoint.h"
#include "proxy/clock.h"

#define AUDIENCE_NS   3000000000ull /* connections are told for so long after the agent was killed */
#define FAILOVERS_GAP 10	    /* counts between two reports of failovers */

struct noted {
	uint64_t came;	 /* when its listener came, as told */
	uint64_t coming; /* the same as counted last: told by an event until the next count, or the event was lost */
	bool drained;	 /* that it is was told */
};

struct teller {
	struct journal *journal;
	struct watch *watch;
	teller_came came;
	void *context;
	const struct model *model;
	uint64_t began;
	uint64_t counts;
	uint64_t failovers; /* so far, when last told of */
	uint64_t failovers_told;
	uint64_t untold; /* so far, when last looked */
	bool audience;
	struct noted noted[RCXLB_MAX_BACKENDS];
};

static const char *name_of(const struct teller *teller, uint32_t backend, char *to)
{
	return endpoint_format(&teller->model->backend[backend % RCXLB_MAX_BACKENDS].endpoint, to);
}

static const char *service_of(const struct teller *teller, uint32_t service)
{
	return service < RCXLB_MAX_SERVICES ? teller->model->service[service].name : "";
}

static void tell_listener(struct teller *teller, uint32_t id, const struct rcxlb_endpoint *of,
			  const struct rcxlb_endpoint *at, bool came)
{
	char backend[RCXLB_TEXT_LEN], local[RCXLB_TEXT_LEN];
	bool absent = !came && !watch_listens(teller->watch, id);

	endpoint_format(of, backend);
	endpoint_format(at, local);
	journal_write(teller->journal,
		      json_pack("{s:s, s:s, s:s, s:b}", "event", came ? "listening" : "gone", "backend", backend,
				"listener", local, "absent", absent),
		      "backend %s: a listener %s %s%s", backend, came ? "came, on" : "went, from", local,
		      absent ? "; it is absent" : "");
}

/* By the entry as it is now: what was published may be older or newer than the event. */
static void take_listener(struct teller *teller, const struct rcxlb_event *event)
{
	uint32_t id = event->backend % RCXLB_MAX_BACKENDS;
	struct rcxlb_backend backend = {};
	uint64_t before = teller->noted[id].came, since;
	bool came = event->kind == RCXLB_EVENT_LISTENING;

	if (watch_backend(teller->watch, id, &backend) || backend.generation != event->generation)
		return; /* the id is another address's by now */
	since = watch_load(teller->watch, id).since;
	teller->noted[id].came = teller->noted[id].coming = since;
	tell_listener(teller, id, &backend.endpoint, &event->local, came);
	if (came && since != before) /* the first one of it, and not one more beside others */
		teller->came(id, teller->context);
}

static void tell_connection(struct teller *teller, const struct rcxlb_event *event)
{
	static const char *const reasons[] = {
		[RCXLB_REASON_HASH] = "hash",
		[RCXLB_REASON_FAILOVER] = "failover",
		[RCXLB_REASON_SPILLED] = "spilled",
	};
	const char *reason = event->reason <= RCXLB_REASON_SPILLED ? reasons[event->reason] : "?",
		   *service = service_of(teller, event->service);
	char client[RCXLB_TEXT_LEN], backend[RCXLB_TEXT_LEN];

	endpoint_format(&event->client, client);
	if (event->kind == RCXLB_EVENT_REFUSED) {
		journal_connection(
		    teller->journal,
		    json_pack("{s:s, s:s, s:s}", "event", "refused", "client", client, "service", service),
		    "client %s, service %s: refused, no backend can take it", client, service);
		return;
	}
	name_of(teller, event->backend, backend);
	journal_connection(teller->journal,
			   json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "connection", "client", client, "service",
				     service, "backend", backend, "reason", reason),
			   "client %s, service %s: backend %s (%s)", client, service, backend, reason);
}

void teller_event(struct teller *teller, const struct rcxlb_event *event)
{
	if (event->time < teller->began) /* of a time when nobody was there to take it */
		return;
	switch (event->kind) {
	case RCXLB_EVENT_LISTENING:
	case RCXLB_EVENT_GONE:
		take_listener(teller, event);
		break;
	case RCXLB_EVENT_CONNECTION:
	case RCXLB_EVENT_REFUSED:
		tell_connection(teller, event);
		break;
	default: /* of a newer program */
		break;
	}
}

void teller_health(struct teller *teller, uint32_t backend, uint32_t state, const char *reason)
{
	const char *name = state == RCXLB_HEALTH_DOWN ? "down" : "up";
	char text[RCXLB_TEXT_LEN];

	name_of(teller, backend, text);
	journal_write(
	    teller->journal,
	    json_pack("{s:s, s:s, s:s, s:s}", "event", "health", "backend", text, "state", name, "reason", reason),
	    "backend %s is %s%s%s", text, name, reason[0] ? ": " : "", reason);
}

static bool is_drained(const struct teller *teller, uint32_t id, const struct rcxlb_load *load)
{
	return teller->model->backend[id].draining && !load->active;
}

static void tell_drained(struct teller *teller, uint32_t id, const struct rcxlb_load *load)
{
	bool drained = is_drained(teller, id, load), known = teller->noted[id].drained;
	char text[RCXLB_TEXT_LEN];

	if (!drained || known)
		return;
	teller->noted[id].drained = true; /* until it does not drain any more: a straggler is no news */
	name_of(teller, id, text);
	journal_write(teller->journal, json_pack("{s:s, s:s}", "event", "drained", "backend", text),
		      "backend %s is drained: it has no connection any more", text);
}

/* The ring was full when the event was to be told. */
static void find_lost_listener(struct teller *teller, uint32_t id, const struct rcxlb_load *load)
{
	const struct rcxlb_endpoint *endpoint = &teller->model->backend[id].endpoint;
	struct noted *noted = &teller->noted[id];
	bool lost = load->since != noted->came && load->since == noted->coming;

	noted->coming = load->since;
	if (!lost)
		return;
	noted->came = load->since;
	if (load->since) {
		tell_listener(teller, id, endpoint, endpoint, true);
		teller->came(id, teller->context);
	}
}

/* In the first moment, and then now and then: an outage must not fill the log. */
static void tell_failovers(struct teller *teller, uint64_t count)
{
	if (count < teller->failovers) /* a backend was deleted */
		teller->failovers = count;
	if (count == teller->failovers ||
	    (teller->failovers_told && teller->counts < teller->failovers_told + FAILOVERS_GAP))
		return;
	journal_write(
	    teller->journal,
	    json_pack("{s:s, s:I}", "event", "failover", "connections", (json_int_t)(count - teller->failovers)),
	    "%llu new connections failed over: the hash's choice is absent, down or draining",
	    (unsigned long long)(count - teller->failovers));
	teller->failovers = count;
	teller->failovers_told = teller->counts;
}

void teller_count(struct teller *teller)
{
	struct error ignored;
	uint64_t failovers = 0;
	bool refused = false;

	teller->counts++;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		struct rcxlb_load load;

		if (!teller->model->backend[id].used)
			continue;
		load = watch_load(teller->watch, id);
		failovers += load.failovers;
		refused = refused || load.refused;
		tell_drained(teller, id, &load);
		find_lost_listener(teller, id, &load);
	}
	tell_failovers(teller, failovers);
	if (refused) /* a group had more members than there is room for; some may have gone */
		watch_collect(teller->watch, &ignored);
}

void teller_listen(struct teller *teller)
{
	bool audience = journal_has_audience(teller->journal);
	uint64_t untold = audience ? watch_untold(teller->watch) : 0, lost = 0;

	if (audience || teller->audience)
		watch_audience(teller->watch, audience ? clock_ns(CLOCK_MONOTONIC) + AUDIENCE_NS : 0);
	if (audience && teller->audience && untold > teller->untold) /* it falls when a service is deleted */
		lost = untold - teller->untold;
	if (lost)
		journal_connection(teller->journal,
				   json_pack("{s:s, s:I}", "event", "left_out", "count", (json_int_t)lost),
				   "%llu connections were left out: they came faster than they could be told",
				   (unsigned long long)lost);
	teller->audience = audience;
	teller->untold = untold;
}

/* What is so already is no news. */
static void note_present(struct teller *teller)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		struct rcxlb_load load;

		if (!teller->model->backend[id].used)
			continue;
		load = watch_load(teller->watch, id);
		teller->failovers += load.failovers;
		teller->noted[id] = (struct noted){ .came = load.since,
						    .coming = load.since,
						    .drained = is_drained(teller, id, &load) };
	}
}

void teller_follow(struct teller *teller, const struct model *model)
{
	bool first = !teller->model;

	teller->model = model;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (!model->backend[id].draining)
			teller->noted[id].drained = false;
	if (first)
		note_present(teller);
}

struct teller *teller_new(struct journal *journal, struct watch *watch, teller_came came, void *context)
{
	struct teller *teller = calloc(1, sizeof(*teller));

	if (!teller)
		return NULL;
	teller->journal = journal;
	teller->watch = watch;
	teller->came = came;
	teller->context = context;
	teller->began = clock_ns(CLOCK_MONOTONIC);
	watch_audience(watch, 0); /* what a killed agent wished */
	return teller;
}

void teller_free(struct teller *teller)
{
	if (teller && teller->audience)
		watch_audience(teller->watch, 0);
	free(teller);
}
