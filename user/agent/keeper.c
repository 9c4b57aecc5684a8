// SPDX-License-Identifier: BSD-2-Clause
#include "agent/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/exporter.h"
#include "agent/metrics.h"
#include "agent/prober.h"
#include "core/endpoint.h"
#include "dataplane/watch.h"

#define LOOK_MS	      200 /* for what was published, and for an audience */
#define COUNT_EVERY   5	  /* looks: for what only counters tell */
#define AUDIENCE_NS   3000000000ull
#define FAILOVERS_GAP 10 /* counts between two reports of failovers */

struct keeper {
	struct event_base *base;
	struct journal *journal;
	struct watch *watch;
	struct probers *probers;
	struct exporter *exporter;
	struct event *look, *events;
	struct model *model; /* as published last */
	struct facts *facts; /* room for those of the metrics; and the same of what the agent knows */
	struct metrics_agent *metrics;
	uint64_t epoch; /* what added to CLOCK_MONOTONIC makes nanoseconds since 1970 */
	uint64_t revision;
	uint64_t began;
	uint64_t looks;
	bool audience;
	uint64_t untold;    /* so far, when last looked */
	uint64_t failovers; /* so far, when last told of */
	uint64_t failovers_told;
	bool drained[RCXLB_MAX_BACKENDS]; /* that it is was told */
};

static uint64_t time_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t now_ns(void)
{
	return time_ns(CLOCK_MONOTONIC);
}

static const char *name_of(const struct keeper *keeper, uint32_t backend, char *to)
{
	return endpoint_format(&keeper->model->backend[backend % RCXLB_MAX_BACKENDS].endpoint, to);
}

static const char *service_of(const struct keeper *keeper, uint32_t service)
{
	return service < RCXLB_MAX_SERVICES ? keeper->model->service[service].name : "";
}

static bool listens(struct keeper *keeper, uint32_t backend)
{
	const struct backend_facts *facts = &keeper->facts->backend[backend % RCXLB_MAX_BACKENDS];
	struct error ignored;

	return !dataplane_facts(watch_dataplane(keeper->watch), keeper->facts, &ignored) &&
	       (facts->ipv4 || facts->ipv6);
}

static void tell_listener(struct keeper *keeper, const struct rcxlb_event *event, bool came)
{
	char backend[RCXLB_TEXT_LEN], at[RCXLB_TEXT_LEN];
	bool absent = !came && !listens(keeper, event->backend);

	name_of(keeper, event->backend, backend);
	endpoint_format(&event->local, at);
	journal_write(keeper->journal,
		      json_pack("{s:s, s:s, s:s, s:b}", "event", came ? "listening" : "gone", "backend", backend,
				"listener", at, "absent", absent),
		      "backend %s: a listener %s %s%s", backend, came ? "came, on" : "went, from", at,
		      absent ? "; it is absent" : "");
	if (came)
		probers_renew(keeper->probers, event->backend);
}

static void tell_connection(struct keeper *keeper, const struct rcxlb_event *event)
{
	static const char *const reasons[] = {
		[RCXLB_REASON_HASH] = "hash",
		[RCXLB_REASON_FAILOVER] = "failover",
		[RCXLB_REASON_SPILLED] = "spilled",
	};
	const char *reason = event->reason <= RCXLB_REASON_SPILLED ? reasons[event->reason] : "?",
		   *service = service_of(keeper, event->service);
	char client[RCXLB_TEXT_LEN], backend[RCXLB_TEXT_LEN];

	endpoint_format(&event->client, client);
	if (event->kind == RCXLB_EVENT_REFUSED) {
		journal_connection(
		    keeper->journal,
		    json_pack("{s:s, s:s, s:s}", "event", "refused", "client", client, "service", service),
		    "client %s, service %s: refused, no backend can take it", client, service);
		return;
	}
	name_of(keeper, event->backend, backend);
	journal_connection(keeper->journal,
			   json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "connection", "client", client, "service",
				     service, "backend", backend, "reason", reason),
			   "client %s, service %s: backend %s (%s)", client, service, backend, reason);
}

static void on_event(const struct rcxlb_event *event, void *context)
{
	struct keeper *keeper = context;

	if (event->time < keeper->began) /* of a time when nobody was there to take it */
		return;
	switch (event->kind) {
	case RCXLB_EVENT_LISTENING:
	case RCXLB_EVENT_GONE:
		tell_listener(keeper, event, event->kind == RCXLB_EVENT_LISTENING);
		break;
	case RCXLB_EVENT_CONNECTION:
	case RCXLB_EVENT_REFUSED:
		tell_connection(keeper, event);
		break;
	default: /* of a newer program */
		break;
	}
}

static void on_ring(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;

	(void)fd;
	(void)what;
	watch_consume(keeper->watch);
}

static void on_health(uint32_t backend, uint32_t state, const char *reason, void *context)
{
	struct keeper *keeper = context;
	const char *name = state == RCXLB_HEALTH_DOWN ? "down" : "up";
	char text[RCXLB_TEXT_LEN];

	name_of(keeper, backend, text);
	journal_write(
	    keeper->journal,
	    json_pack("{s:s, s:s, s:s, s:s}", "event", "health", "backend", text, "state", name, "reason", reason),
	    "backend %s is %s%s%s", text, name, reason[0] ? ": " : "", reason);
}

static void note_checks(const struct keeper *keeper, struct metrics_agent *to)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		struct prober_facts facts = probers_facts(keeper->probers, id);

		to->check[id] = (struct metrics_check){
			.state = facts.state,
			.changed_ns = facts.since ? facts.since + keeper->epoch : 0,
			.passed = facts.good,
			.failed = facts.bad,
			.duration_ns = facts.took_ns,
		};
	}
}

static int write_metrics(FILE *to, void *context)
{
	struct keeper *keeper = context;
	struct metrics_agent *agent = keeper->metrics;
	struct error error;
	int err = dataplane_facts(watch_dataplane(keeper->watch), keeper->facts, &error);

	if (err)
		return err;
	agent->version = RCXLB_VERSION;
	agent->started_ns = keeper->began + keeper->epoch;
	note_checks(keeper, agent);
	return metrics_write(to, keeper->model, keeper->facts, agent);
}

/* Where the settings say; a former one goes on when the new one cannot. */
static void serve_metrics(struct keeper *keeper, const struct rcxlb_settings *former)
{
	const struct rcxlb_endpoint *at = &keeper->model->settings.metrics;
	struct exporter *exporter = NULL;
	struct error error;

	if (former && endpoint_equal(at, &former->metrics))
		return;
	if (at->port && exporter_new(keeper->base, at, write_metrics, keeper, &exporter, &error)) {
		journal_write(keeper->journal, json_pack("{s:s, s:s}", "event", "error", "error", error.text), "%s",
			      error.text);
		return;
	}
	exporter_free(keeper->exporter);
	keeper->exporter = exporter;
}

/* Reads what is wished now, when it is another thing than before. */
static int follow(struct keeper *keeper, struct error *error)
{
	struct rcxlb_settings former = keeper->model->settings;
	bool first = !keeper->revision;
	uint64_t revision;
	int err = watch_revision(keeper->watch, &revision, error);

	if (err || revision == keeper->revision)
		return err;
	err = dataplane_read(watch_dataplane(keeper->watch), keeper->model, error);
	if (err)
		return err;
	keeper->revision = revision;
	probers_follow(keeper->probers, keeper->model);
	serve_metrics(keeper, first ? NULL : &former);
	if (!first)
		journal_write(keeper->journal,
			      json_pack("{s:s, s:I}", "event", "published", "revision", (json_int_t)revision),
			      "configuration %llu was published", (unsigned long long)revision);
	return 0;
}

static void tell_drained(struct keeper *keeper, uint32_t id, const struct rcxlb_load *load)
{
	char text[RCXLB_TEXT_LEN];

	if (!keeper->model->backend[id].draining)
		keeper->drained[id] = false;
	if (!keeper->model->backend[id].draining || load->active || keeper->drained[id])
		return;
	keeper->drained[id] = true;
	name_of(keeper, id, text);
	journal_write(keeper->journal, json_pack("{s:s, s:s}", "event", "drained", "backend", text),
		      "backend %s is drained: its last connection ended", text);
}

/* In the first moment, and then now and then: an outage must not fill the log. */
static void tell_failovers(struct keeper *keeper, uint64_t count)
{
	uint64_t turn = keeper->looks / COUNT_EVERY;

	if (count < keeper->failovers) /* a backend was deleted */
		keeper->failovers = count;
	if (count == keeper->failovers || (keeper->failovers_told && turn < keeper->failovers_told + FAILOVERS_GAP))
		return;
	journal_write(
	    keeper->journal,
	    json_pack("{s:s, s:I}", "event", "failover", "connections", (json_int_t)(count - keeper->failovers)),
	    "%llu new connections failed over: the hash's choice is absent, down or draining",
	    (unsigned long long)(count - keeper->failovers));
	keeper->failovers = count;
	keeper->failovers_told = turn;
}

static void look_at_counters(struct keeper *keeper)
{
	struct error ignored;
	uint64_t failovers = 0;
	bool refused = false;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		struct rcxlb_load load;

		if (!keeper->model->backend[id].used)
			continue;
		load = watch_load(keeper->watch, id);
		failovers += load.failovers;
		refused = refused || load.refused;
		tell_drained(keeper, id, &load);
	}
	tell_failovers(keeper, failovers);
	if (refused) /* a group had more members than there is room for; some may have gone */
		watch_collect(keeper->watch, &ignored);
}

static void look_for_audience(struct keeper *keeper)
{
	bool audience = journal_has_audience(keeper->journal);
	uint64_t untold, lost;

	if (audience || keeper->audience)
		watch_audience(keeper->watch, audience ? now_ns() + AUDIENCE_NS : 0);
	untold = audience ? watch_untold(keeper->watch) : 0;
	lost = keeper->audience && audience ? untold - keeper->untold + journal_left_out(keeper->journal) : 0;
	if (lost)
		journal_connection(keeper->journal,
				   json_pack("{s:s, s:I}", "event", "left_out", "count", (json_int_t)lost),
				   "%llu connections were left out: they came faster than they could be told",
				   (unsigned long long)lost);
	keeper->audience = audience;
	keeper->untold = untold;
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;
	struct error error;

	(void)fd;
	(void)what;
	if (follow(keeper, &error))
		journal_write(keeper->journal, json_pack("{s:s, s:s}", "event", "error", "error", error.text), "%s",
			      error.text);
	look_for_audience(keeper);
	if (++keeper->looks % COUNT_EVERY == 0)
		look_at_counters(keeper);
}

static uint64_t sum_failovers(struct keeper *keeper)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (keeper->model->backend[id].used)
			sum += watch_load(keeper->watch, id).failovers;
	return sum;
}

static int begin(struct keeper *keeper, struct error *error)
{
	struct timeval often = { 0, LOOK_MS * 1000 };
	int err = watch_open(on_event, keeper, &keeper->watch, error);

	if (err)
		return err;
	keeper->probers = probers_new(keeper->base, keeper->watch, on_health, keeper);
	if (!keeper->probers)
		return failed(error, -ENOMEM, "out of memory");
	err = follow(keeper, error);
	if (err)
		return err;
	keeper->failovers = sum_failovers(keeper);
	keeper->events =
	    event_new(keeper->base, watch_descriptor(keeper->watch), EV_READ | EV_PERSIST, on_ring, keeper);
	keeper->look = event_new(keeper->base, -1, EV_PERSIST, on_look, keeper);
	if (!keeper->events || !keeper->look || event_add(keeper->events, NULL) || event_add(keeper->look, &often))
		return failed(error, -ENOMEM, "out of memory");
	return 0;
}

int keeper_new(struct event_base *base, struct journal *journal, struct keeper **ret, struct error *error)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int err = keeper ? 0 : -ENOMEM;

	if (keeper) {
		keeper->base = base;
		keeper->journal = journal;
		keeper->began = now_ns();
		keeper->epoch = time_ns(CLOCK_REALTIME) - keeper->began;
		keeper->model = calloc(1, sizeof(*keeper->model));
		keeper->facts = malloc(sizeof(*keeper->facts));
		keeper->metrics = malloc(sizeof(*keeper->metrics));
		err = keeper->model && keeper->facts && keeper->metrics ? begin(keeper, error) : -ENOMEM;
	}
	if (err == -ENOMEM)
		error_set(error, "out of memory");
	if (err) {
		keeper_free(keeper);
		return err;
	}
	*ret = keeper;
	return 0;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	exporter_free(keeper->exporter);
	if (keeper->events)
		event_free(keeper->events);
	if (keeper->look)
		event_free(keeper->look);
	probers_free(keeper->probers);
	if (keeper->watch && keeper->audience)
		watch_audience(keeper->watch, 0);
	watch_close(keeper->watch);
	free(keeper->model);
	free(keeper->facts);
	free(keeper->metrics);
	free(keeper);
}
