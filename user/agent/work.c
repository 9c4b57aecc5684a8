// SPDX-License-Identifier: BSD-2-Clause
#include "agent/work.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>

#include "agent/legs.h"
#include "agent/sandbox.h"

#define LOOK_S	 1 /* between looks at the crew and the ticket keys */
#define LINGER_S 2 /* after another crew took over: handshakes of TCP that are under way still come here */

struct running {
	const struct work *work;
	struct event_base *base;
	struct worker *worker;
	struct legs *legs;
	struct event *look;
	uint32_t tickets; /* version in use */
	uint32_t former;  /* looks since another crew took over */
};

struct ticket_keys work_ticket_keys(const struct work_tickets *tickets)
{
	struct ticket_keys keys;
	uint32_t version;

	do {
		version = __atomic_load_n(&tickets->version, __ATOMIC_ACQUIRE);
		memcpy(&keys, &tickets->keys, sizeof(keys));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (version & 1 || version != __atomic_load_n(&tickets->version, __ATOMIC_RELAXED));
	return keys;
}

static void follow_tickets(struct running *running)
{
	uint32_t version = __atomic_load_n(&running->work->tickets->version, __ATOMIC_ACQUIRE);
	struct ticket_keys keys;
	struct error ignored;

	if (version == running->tickets || version & 1)
		return;
	keys = work_ticket_keys(running->work->tickets);
	worker_set_tickets(running->worker, &keys, &ignored);
	OPENSSL_cleanse(&keys, sizeof(keys));
	running->tickets = version;
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct running *running = context;
	uint32_t number;

	(void)fd;
	(void)what;
	follow_tickets(running);
	number = watch_crew(running->work->watch).number;
	if (number == running->work->crew || (number != RCXLB_CREW_DISMISSED && ++running->former < LINGER_S / LOOK_S))
		return;
	worker_drain(running->worker);
	if (!worker_counters(running->worker)->open)
		event_base_loopbreak(running->base);
}

static int begin(struct running *running, struct error *error)
{
	const struct work *work = running->work;
	struct worker_config config = {
		.services = work->services,
		.services_count = work->services_count,
		.tickets = work_ticket_keys(work->tickets),
		.ktls = work->ktls,
		.limits = WORKER_LIMITS_DEFAULT,
	};
	struct timeval often = { LOOK_S, 0 };
	struct error warning;
	int err;

	running->tickets = work->tickets->version;
	running->base = event_base_new();
	running->legs = legs_new(work->watch, work->model, work->number);
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
	struct running running = { .work = work };
	int err = begin(&running, error);

	if (!err)
		err = sandbox_enter(error);
	if (!err) {
		work->began(work->context);
		event_base_dispatch(running.base);
	}
	worker_free(running.worker);
	legs_free(running.legs);
	if (running.look)
		event_free(running.look);
	if (running.base)
		event_base_free(running.base);
	return err;
}
