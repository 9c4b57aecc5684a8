// SPDX-License-Identifier: BSD-2-Clause
#include "agent/work.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/legs.h"
#include "agent/process.h"
#include "agent/sandbox.h"
#include "proxy/clock.h"

#define LOOK_MS	  250  /* between looks at the crew and the ticket keys, and words of what was done */
#define LINGER_MS 2000 /* after another crew took over: handshakes of TCP that are under way still come here */
#define TRIES	  1000 /* to read the ticket keys while they are being written, which takes less than one */

struct running {
	const struct work *work;
	struct event_base *base;
	struct worker *worker;
	struct legs *legs;
	struct event *look;
	struct rcxlb_worker entry;		     /* in the map `staff`, as it was written last */
	struct rcxlb_tally told[RCXLB_MAX_SERVICES]; /* what the map `tallies` has of this worker */
	uint32_t tickets;			     /* version in use */
	uint32_t former;			     /* looks since another crew took over */
};

void work_publish_tickets(struct work_tickets *shared, uint32_t version, const struct ticket_keys *keys)
{
	__atomic_store_n(&shared->version, 2 * version - 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(&shared->keys, keys, sizeof(*keys));
	__atomic_store_n(&shared->version, 2 * version, __ATOMIC_RELEASE);
}

uint32_t work_ticket_keys(const struct work_tickets *shared, struct ticket_keys *ret)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);

		memcpy(ret, &shared->keys, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(version & 1) && version == __atomic_load_n(&shared->version, __ATOMIC_RELAXED))
			return version;
	}
	OPENSSL_cleanse(ret, sizeof(*ret));
	return 1;
}

int work_seal_tickets(const struct work_tickets *shared)
{
	return mprotect((void *)shared, sizeof(*shared), PROT_READ) ? -errno : 0;
}

static void follow_tickets(struct running *running)
{
	uint32_t version = __atomic_load_n(&running->work->tickets->version, __ATOMIC_ACQUIRE);
	struct ticket_keys keys;
	struct error ignored;

	if (version == running->tickets)
		return;
	version = work_ticket_keys(running->work->tickets, &keys);
	if (version & 1)
		return;
	worker_set_tickets(running->worker, &keys, &ignored);
	OPENSSL_cleanse(&keys, sizeof(keys));
	running->tickets = version;
}

/* --- What is told of the work --- */

#define NUMBERS (sizeof(struct rcxlb_tally) / sizeof(__u64))

/* What was counted since the last time. Workers of all crews add to the same numbers. */
static void tell_sum(struct rcxlb_tally *shared, struct rcxlb_tally *told, const struct rcxlb_tally *sum)
{
	const __u64 *from = (const __u64 *)sum;
	__u64 *to = (__u64 *)shared, *before = (__u64 *)told;

	for (size_t i = 0; i < NUMBERS; i++)
		if (from[i] != before[i])
			__atomic_fetch_add(&to[i], from[i] - before[i], __ATOMIC_RELAXED);
	*told = *sum;
}

/* An entry of its own that it has once it can always write. */
static void tell(struct running *running)
{
	const struct work *work = running->work;
	struct rcxlb_worker entry = running->entry;

	for (unsigned int i = 0; i < work->services_count; i++) {
		const struct worker_counters *counters = worker_counters(running->worker, i);
		uint32_t id = work->services[i].id;

		tell_sum(desk_tally(work->desk, id), &running->told[id], &counters->sum);
		entry.service[id].open = counters->open;
		entry.service[id].handshaking = counters->handshaking;
	}
	if (!memcmp(&entry, &running->entry, sizeof(entry)))
		return;
	running->entry = entry;
	desk_sign(work->desk, getpid(), &entry);
}

/* From here on what it leaves behind is removed when it dies. */
static int sign(struct running *running, struct error *error)
{
	int err = desk_sign(running->work->desk, getpid(), &running->entry);

	return err ? failed(error, err, "cannot write into the map `staff`: %s", strerror(-err)) : 0;
}

/* --- The work --- */

/*
 * Numbers of crews grow. A smaller one is that of the crew before, which stays in charge until the last of this one has
 * begun: who began first may wait for long.
 */
static bool have_others_taken_over(struct running *running)
{
	uint32_t number = desk_crew(running->work->desk).number;

	if (number <= running->work->crew) {
		running->former = 0;
		return false;
	}
	return number == RCXLB_CREW_DISMISSED || ++running->former >= LINGER_MS / LOOK_MS;
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct running *running = context;

	(void)fd;
	(void)what;
	follow_tickets(running);
	tell(running);
	if (!have_others_taken_over(running))
		return;
	worker_drain(running->worker);
	if (!worker_open(running->worker))
		event_base_loopbreak(running->base);
}

/*
 * Each connection to an instance has an entry in `peers`: who got none would be refused. What a crew that drains has
 * there is not counted.
 */
static void fit_into_peers(struct worker_limits *limits, uint32_t workers)
{
	uint32_t room = RCXLB_MAX_PEERS / (workers ? workers : 1);

	if (limits->connections > room)
		limits->connections = room;
}

static int begin(struct running *running, struct error *error)
{
	const struct work *work = running->work;
	struct worker_config config = {
		.services = work->services,
		.services_count = work->services_count,
		.ktls = work->ktls,
		.limits = WORKER_LIMITS_DEFAULT,
	};
	struct timeval often = timeval_of_ms(LOOK_MS);
	struct error warning;
	int err;

	fit_into_peers(&config.limits, work->workers);
	running->tickets = work_ticket_keys(work->tickets, &config.tickets);
	running->base = event_base_new();
	running->legs = legs_new(work->desk, work->model, work->number);
	if (running->base)
		running->look = event_new(running->base, -1, EV_PERSIST, on_look, running);
	if (!running->legs || !running->look || event_add(running->look, &often))
		return failed(error, -ENOMEM, "out of memory");
	config.base = running->base;
	config.backends = legs_backends(running->legs);
	err = worker_new(&config, &running->worker, &warning, error);
	OPENSSL_cleanse(&config.tickets, sizeof(config.tickets));
	return err;
}

int work_run(const struct work *work, struct error *error)
{
	struct running running = {
		.work = work,
		.entry = { .started = process_started(getpid()), .crew = work->crew, .number = work->number },
	};
	int err = begin(&running, error);

	if (!err)
		err = sandbox_enter(SANDBOX_WORKER, error);
	if (!err)
		err = sign(&running, error);
	if (!err) {
		if (work->began(work->context))
			event_base_dispatch(running.base);
		tell(&running);
		desk_leave(work->desk, getpid());
	}
	worker_free(running.worker);
	legs_free(running.legs);
	if (running.look)
		event_free(running.look);
	if (running.base)
		event_base_free(running.base);
	return err;
}
