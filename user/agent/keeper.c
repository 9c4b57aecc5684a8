// SPDX-License-Identifier: BSD-2-Clause
#include "agent/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/exporter.h"
#include "agent/metrics.h"
#include "agent/prober.h"
#include "agent/teller.h"
#include "core/endpoint.h"
#include "core/version.h"
#include "dataplane/watch.h"
#include "proxy/clock.h"

#define LOOK_MS	    200		  /* for what was published, and for an audience */
#define COUNT_EVERY 5		  /* looks: for what only counters tell */
#define TREMOR_NS   1000000000ull /* a time that moves with each look would look like an event */

struct keeper {
	struct event_base *base;
	struct journal *journal;
	struct watch *watch;
	struct teller *teller;
	struct probers *probers;
	struct exporter *exporter;
	struct rcxlb_endpoint exported; /* where it is; port 0: nowhere */
	struct event *look, *events;
	struct model *model, *spare; /* as published last; room for the next one */
	struct facts *facts;	     /* room for those of the metrics; and the same of what the agent knows */
	struct metrics_agent *metrics;
	uint64_t began;
	uint64_t epoch; /* what added to CLOCK_MONOTONIC makes nanoseconds since 1970 */
	uint64_t revision;
	uint64_t looks;
	struct error said; /* the last error, so that one that lasts is told once */
};

static void complain(struct keeper *keeper, const struct error *error)
{
	if (!strcmp(keeper->said.text, error->text))
		return;
	keeper->said = *error;
	journal_write(keeper->journal, json_pack("{s:s, s:s}", "event", "error", "error", error->text), "%s",
		      error->text);
}

static void on_event(const struct rcxlb_event *event, void *context)
{
	const struct keeper *keeper = context;

	teller_event(keeper->teller, event);
}

static void on_health(uint32_t backend, uint32_t state, const char *reason, void *context)
{
	const struct keeper *keeper = context;

	teller_health(keeper->teller, backend, state, reason);
}

static void on_came(uint32_t backend, void *context)
{
	const struct keeper *keeper = context;

	probers_renew(keeper->probers, backend);
}

/* The clock may have been set since, or the machine have slept, which CLOCK_MONOTONIC does not count. */
static void follow_clock(struct keeper *keeper)
{
	uint64_t epoch = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);

	if (epoch - keeper->epoch + TREMOR_NS > 2 * TREMOR_NS)
		keeper->epoch = epoch;
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
	follow_clock(keeper);
	agent->version = rcxlb_version;
	agent->started_ns = keeper->began + keeper->epoch;
	note_checks(keeper, agent);
	metrics_count_untold(&agent->untold, keeper->facts);
	return metrics_write(to, keeper->model, keeper->facts, agent);
}

static void end_metrics(struct keeper *keeper)
{
	exporter_free(keeper->exporter);
	keeper->exporter = NULL;
	keeper->exported = (struct rcxlb_endpoint){};
}

/* Where the settings say. A former one goes on while the new one cannot, unless it is what may be in the way. */
static void serve_metrics(struct keeper *keeper)
{
	const struct rcxlb_endpoint *at = &keeper->model->settings.metrics;
	struct exporter *exporter = NULL;
	struct error error;
	int err = 0;

	if (endpoint_equal(at, &keeper->exported))
		return;
	if (at->port)
		err = exporter_new(keeper->base, at, write_metrics, keeper, &exporter, &error);
	if (err == -EADDRINUSE && at->port == keeper->exported.port) {
		end_metrics(keeper);
		err = exporter_new(keeper->base, at, write_metrics, keeper, &exporter, &error);
	}
	if (err) {
		complain(keeper, &error);
		return;
	}
	end_metrics(keeper);
	keeper->exporter = exporter;
	keeper->exported = *at;
}

static void swap_models(struct keeper *keeper)
{
	struct model *former = keeper->model;

	keeper->model = keeper->spare;
	keeper->spare = former;
}

/* Reads what is wished now, when it is another thing than before. -EAGAIN while it is being changed. */
static int follow(struct keeper *keeper, struct error *error)
{
	bool first = !keeper->revision;
	int news = watch_follow(keeper->watch, &keeper->revision, keeper->spare, error);

	if (news <= 0)
		return news;
	swap_models(keeper);
	teller_follow(keeper->teller, keeper->model);
	probers_follow(keeper->probers, keeper->model);
	serve_metrics(keeper);
	if (!first)
		journal_write(keeper->journal,
			      json_pack("{s:s, s:I}", "event", "published", "revision", (json_int_t)keeper->revision),
			      "configuration %llu was published", (unsigned long long)keeper->revision);
	return 0;
}

static void follow_on(struct keeper *keeper)
{
	struct error error;
	int err = follow(keeper, &error);

	if (err && err != -EAGAIN)
		complain(keeper, &error);
	if (err == -ENOENT)
		event_base_loopbreak(keeper->base);
}

/* What is published first: events may be of backends that came with it. */
static void on_ring(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;

	(void)fd;
	(void)what;
	follow_on(keeper);
	watch_consume(keeper->watch);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;

	(void)fd;
	(void)what;
	follow_on(keeper);
	teller_listen(keeper->teller);
	if (++keeper->looks % COUNT_EVERY)
		return;
	teller_count(keeper->teller);
	serve_metrics(keeper); /* the port may be free by now */
}

static int open_watch(struct keeper *keeper, struct error *error)
{
	return watch_open(on_event, keeper, &keeper->watch, error);
}

/*
 * The first time, a change that is under way is waited for; by whoever hangs with the lock, for ever. The loop runs
 * meanwhile, so that signals are heard.
 */
static int await(struct keeper *keeper, int (*step)(struct keeper *keeper, struct error *error), struct error *error)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int err = step(keeper, error);

	while (err == -EAGAIN) {
		nanosleep(&pause, NULL);
		event_base_loop(keeper->base, EVLOOP_NONBLOCK);
		if (event_base_got_break(keeper->base))
			return failed(error, -EINTR, "the agent was ended while it waited for the end of a change");
		err = step(keeper, error);
	}
	return err;
}

static int begin(struct keeper *keeper, struct error *error)
{
	struct timeval often = timeval_of_ms(LOOK_MS);
	int err = await(keeper, open_watch, error);

	if (err)
		return err;
	keeper->teller = teller_new(keeper->journal, keeper->watch, on_came, keeper);
	keeper->probers = probers_new(keeper->base, keeper->watch, on_health, keeper);
	if (!keeper->teller || !keeper->probers)
		return failed(error, -ENOMEM, "out of memory");
	err = await(keeper, follow, error);
	if (err)
		return err;
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
	int err;

	if (!keeper)
		return failed(error, -ENOMEM, "out of memory");
	keeper->base = base;
	keeper->journal = journal;
	keeper->began = clock_ns(CLOCK_MONOTONIC);
	keeper->epoch = clock_ns(CLOCK_REALTIME) - keeper->began;
	keeper->model = calloc(1, sizeof(*keeper->model));
	keeper->spare = calloc(1, sizeof(*keeper->spare));
	keeper->facts = malloc(sizeof(*keeper->facts));
	keeper->metrics = calloc(1, sizeof(*keeper->metrics));
	if (!keeper->model || !keeper->spare || !keeper->facts || !keeper->metrics)
		err = failed(error, -ENOMEM, "out of memory");
	else
		err = begin(keeper, error);
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
	teller_free(keeper->teller);
	watch_close(keeper->watch);
	free(keeper->model);
	free(keeper->spare);
	free(keeper->facts);
	free(keeper->metrics);
	free(keeper);
}
