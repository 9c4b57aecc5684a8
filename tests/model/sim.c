// SPDX-License-Identifier: BSD-2-Clause
/*
 * The machine. An instance works on one item at a time, in the order in which they became ready, with a CPU to itself;
 * accept queues have no limit. So that all rules see the same clients, everything that a connection does is drawn from
 * its number.
 */
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define STALL_MS	 200
#define STALL_EVERY_MS	 250
#define STOP_MS		 5000
#define RESTART_MS	 2000
#define REQUEST_EVERY_MS 10000.0 /* of one connection that stays, on average */
#define REQUEST_MS	 1.0

enum { ARRIVE, SYN, ESTABLISHED, DONE, REQUEST, LEAVE, CLOSED, TICK, STALL, STOP, CONTINUE, DIE, RETURN };

uint64_t mix(uint64_t x) /* splitmix64's */
{
	x *= 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static double fraction(uint64_t x)
{
	return (mix(x) >> 11) * 0x1p-53;
}

/* From 0 to below 1, by this connection alone. */
static double draw(struct sim *sim, uint32_t id)
{
	return fraction(mix(id) + sim->connection[id].draws++);
}

static uint64_t draw_exponential(struct sim *sim, uint32_t id, double mean_ms)
{
	return -log(1 - draw(sim, id)) * mean_ms * MS;
}

static void *grow(void *array, size_t size)
{
	void *grown = realloc(array, size);

	if (!grown) {
		fputs("balance: no memory\n", stderr);
		exit(1);
	}
	return grown;
}

static void numbers_add(struct numbers *numbers, double value)
{
	if (numbers->count == numbers->room) {
		numbers->room = numbers->room ? 2 * numbers->room : 1024;
		numbers->value = grow(numbers->value, numbers->room * sizeof(*numbers->value));
	}
	numbers->value[numbers->count++] = value;
}

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Events are a binary heap, the next one first. */
static void foresee(struct sim *sim, uint64_t at, uint32_t kind, uint32_t id, uint32_t run)
{
	struct event event = { .at = at, .order = sim->order++, .kind = kind, .id = id, .run = run };
	uint32_t i;

	if (at > sim->end)
		return;
	if (sim->events == sim->events_room) {
		sim->events_room = sim->events_room ? 2 * sim->events_room : 1024;
		sim->event = grow(sim->event, sim->events_room * sizeof(*sim->event));
	}
	for (i = sim->events++; i && is_before(&event, &sim->event[(i - 1) / 2]); i = (i - 1) / 2)
		sim->event[i] = sim->event[(i - 1) / 2];
	sim->event[i] = event;
}

static struct event next_event(struct sim *sim)
{
	struct event first = sim->event[0], last = sim->event[--sim->events];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < sim->events) {
		if (child + 1 < sim->events && is_before(&sim->event[child + 1], &sim->event[child]))
			child++;
		if (!is_before(&sim->event[child], &last))
			break;
		sim->event[i] = sim->event[child];
		i = child;
	}
	sim->event[i] = last;
	return first;
}

void sim_tick_at(struct sim *sim, uint64_t at)
{
	foresee(sim, at, TICK, 0, sim->watch_run);
}

static void fifo_make_room(struct fifo *fifo)
{
	uint32_t room = fifo->room ? 2 * fifo->room : 64;

	if (fifo->count < fifo->room)
		return;
	fifo->item = grow(fifo->item, room * sizeof(*fifo->item));
	for (uint32_t i = 0; i < fifo->head; i++) /* what had wrapped around goes on behind the old end */
		fifo->item[fifo->room + i] = fifo->item[i];
	fifo->room = room;
}

static void set_active(struct sim *sim, struct instance *instance, uint32_t active)
{
	instance->area += (double)instance->active * (sim->now - instance->changed);
	instance->changed = sim->now;
	instance->active = active;
}

static double ms_since(const struct sim *sim, uint64_t then)
{
	return (sim->now - then) / (double)MS;
}

static void count_work(struct instance *instance)
{
	if (instance->current.silent)
		return;
	instance->work++;
	instance->reads++;
}

static void work_on_next(struct sim *sim, struct instance *instance)
{
	struct fifo *ready = &instance->ready;

	if (instance->busy || instance->stopped || !ready->count)
		return;
	instance->current = ready->item[ready->head];
	ready->head = (ready->head + 1) & (ready->room - 1);
	ready->count--;
	if (instance->current.accepts) {
		instance->queue--;
		numbers_add(&sim->waits, ms_since(sim, sim->connection[instance->current.connection].established));
	}
	instance->busy = true;
	instance->ends = sim->now + instance->current.work;
	count_work(instance);
	foresee(sim, instance->ends, DONE, instance - sim->instance, ++instance->run);
}

static void give_work(struct sim *sim, struct instance *instance, struct item item, bool next)
{
	struct fifo *ready = &instance->ready;

	fifo_make_room(ready);
	if (is_asleep(instance))
		instance->woke = sim->now;
	if (next)
		ready->head = (ready->head - 1) & (ready->room - 1);
	ready->item[(ready->head + (next ? 0 : ready->count)) & (ready->room - 1)] = item;
	ready->count++;
	instance->queue += item.accepts;
	work_on_next(sim, instance);
}

/* At the SYN, or when a proxy has it. */
static void choose(struct sim *sim, uint32_t id)
{
	struct connection *connection = &sim->connection[id];
	uint32_t first = rules_first(sim, connection->hash);
	int chosen = rules_choose(sim, connection->hash);

	connection->instance = chosen;
	connection->life = chosen == NOBODY ? 0 : sim->instance[chosen].life;
	if (chosen != NOBODY) {
		sim->instance[chosen].steered++;
		sim->instance[chosen].pending += is_ours(sim->rule);
	}
	sim->chosen++;
	sim->hashed += chosen == (int)first;
	sim->moved += chosen != (int)first && sim->instance[first].up;
	sim->to_absent += chosen == NOBODY || !sim->instance[chosen].up;
}

static void on_syn(struct sim *sim, uint32_t id)
{
	if (is_ours(sim->rule))
		choose(sim, id);
	foresee(sim, sim->now + sim->connection[id].rtt, ESTABLISHED, id, 0);
}

static void come_again(struct sim *sim, uint32_t id)
{
	const double *reconnect_s = sim->workload->reconnect_s;
	double after = reconnect_s[0] + draw(sim, id) * (reconnect_s[1] - reconnect_s[0]);

	sim->connection[id].open = false;
	sim->connection[id].answered = false;
	sim->connection[id].attempt++;
	foresee(sim, sim->now + (uint64_t)(after * SECOND), SYN, id, 0);
}

/* As `services` with hash tuple would do it, or hash client: a client that comes again has the same hash. */
static void on_arrive(struct sim *sim)
{
	const struct workload *workload = sim->workload;
	double per_second = workload->load * INSTANCES * 1000 / WORK_MS;
	struct rcxlb_endpoint service = { .port = 3000 }, client = { .port = 1024 };
	uint32_t id = sim->connections++;

	if (workload->clients && sim->now < workload->fill_s * SECOND)
		per_second = workload->clients / workload->fill_s;
	else if (workload->clients)
		per_second = workload->lifetime_s ? workload->clients / workload->lifetime_s : 0;
	if (per_second)
		foresee(sim, sim->now + (uint64_t)(-log(1 - fraction(~sim->arrivals++)) / per_second * SECOND), ARRIVE,
			0, 0);
	if (id == sim->connections_room) {
		sim->connections_room = id ? 2 * id : 1024;
		sim->connection = grow(sim->connection, sim->connections_room * sizeof(*sim->connection));
	}
	__builtin_memcpy(client.address, &id, sizeof(id));
	sim->connection[id] = (struct connection){ .hash = rcxlb_hash(&sim->service, &client, &service) };
	sim->connection[id].rtt = (0.5 + draw(sim, id)) * workload->rtt_ms * MS;
	on_syn(sim, id);
}

static void on_established(struct sim *sim, uint32_t id)
{
	struct connection *connection = &sim->connection[id];
	struct item item = { .connection = id, .accepts = true };
	struct instance *instance;

	if (!is_ours(sim->rule))
		choose(sim, id);
	instance = connection->instance == NOBODY ? NULL : &sim->instance[connection->instance];
	if (!instance || !instance->up || instance->life != connection->life) {
		come_again(sim, id);
		return;
	}
	instance->pending -= is_ours(sim->rule);
	connection->open = true;
	connection->established = sim->now;
	set_active(sim, instance, instance->active + 1);
	item.work = (0.5 + draw(sim, id)) * WORK_MS * MS;
	give_work(sim, instance, item, false);
	if (!sim->workload->clients)
		return;
	foresee(sim, sim->now + draw_exponential(sim, id, REQUEST_EVERY_MS), REQUEST, id, connection->attempt);
	if (sim->workload->lifetime_s)
		foresee(sim, sim->now + draw_exponential(sim, id, sim->workload->lifetime_s * 1000), LEAVE, id,
			connection->attempt);
}

static void on_closed(struct sim *sim, uint32_t id, uint32_t attempt)
{
	struct connection *connection = &sim->connection[id];
	struct instance *instance = &sim->instance[connection->instance];

	if (!connection->open || connection->attempt != attempt)
		return;
	connection->open = false;
	set_active(sim, instance, instance->active - 1);
}

static void on_done(struct sim *sim, uint32_t at, uint32_t run)
{
	struct instance *instance = &sim->instance[at];
	uint32_t id = instance->current.connection;

	if (instance->run != run)
		return;
	count_work(instance);
	instance->busy = false;
	if (instance->current.accepts) {
		struct connection *connection = &sim->connection[id];

		numbers_add(&sim->answers, ms_since(sim, connection->established));
		connection->answered = true;
		if (!sim->workload->clients) /* the kernel has it until the client's FIN is there */
			foresee(sim, sim->now + (is_ours(sim->rule) ? connection->rtt : 0), CLOSED, id,
				connection->attempt);
	}
	work_on_next(sim, instance);
	if (is_asleep(instance))
		instance->work++;
}

static void on_request(struct sim *sim, uint32_t id, uint32_t attempt)
{
	struct connection *connection = &sim->connection[id];
	struct item item = { .connection = id, .work = REQUEST_MS * MS };

	if (!connection->open || connection->attempt != attempt)
		return;
	foresee(sim, sim->now + draw_exponential(sim, id, REQUEST_EVERY_MS), REQUEST, id, attempt);
	if (connection->answered)
		give_work(sim, &sim->instance[connection->instance], item, false);
}

/* Before what else is ready, as timers are. */
static void on_stall(struct sim *sim)
{
	struct item stall = { .work = STALL_MS * MS, .silent = true };

	give_work(sim, &sim->instance[FAULTY], stall, true);
	foresee(sim, sim->now + STALL_EVERY_MS * MS, STALL, 0, 0);
}

static void on_stop(struct sim *sim, struct instance *instance)
{
	instance->work += is_asleep(instance);
	instance->stopped = true;
	instance->ends -= sim->now;
	instance->run++;
	foresee(sim, sim->now + STOP_MS * MS, CONTINUE, 0, 0);
}

static void on_continue(struct sim *sim, struct instance *instance)
{
	instance->stopped = false;
	instance->woke = sim->now;
	instance->ends += sim->now;
	if (instance->busy)
		foresee(sim, instance->ends, DONE, instance - sim->instance, ++instance->run);
	work_on_next(sim, instance);
	instance->work += is_asleep(instance);
}

/* What waited in its accept queue is reset as well, and has no part in the waits. */
static void on_die(struct sim *sim, struct instance *instance)
{
	for (uint32_t id = 0; id < sim->connections; id++)
		if (sim->connection[id].open && sim->connection[id].instance == FAULTY)
			come_again(sim, id);
	set_active(sim, instance, 0);
	instance->up = false;
	instance->busy = false;
	instance->life++;
	instance->run++;
	instance->ready.count = 0;
	instance->queue = 0;
	instance->pending = 0;
	foresee(sim, sim->now + RESTART_MS * MS, RETURN, 0, 0);
}

static void on_return(struct instance *instance)
{
	instance->up = true;
	instance->work = 0;
	instance->reads = 0;
	instance->seen = (struct seen){};
}

static void happen(struct sim *sim, const struct event *event)
{
	switch (event->kind) {
	case ARRIVE:
		return on_arrive(sim);
	case SYN:
		return on_syn(sim, event->id);
	case ESTABLISHED:
		return on_established(sim, event->id);
	case DONE:
		return on_done(sim, event->id, event->run);
	case REQUEST:
		return on_request(sim, event->id, event->run);
	case LEAVE:
	case CLOSED:
		return on_closed(sim, event->id, event->run);
	case TICK:
		if (event->run == sim->watch_run)
			loops_tick(sim);
		return;
	case STALL:
		return on_stall(sim);
	case STOP:
		return on_stop(sim, &sim->instance[FAULTY]);
	case CONTINUE:
		return on_continue(sim, &sim->instance[FAULTY]);
	case DIE:
		return on_die(sim, &sim->instance[FAULTY]);
	case RETURN:
		return on_return(&sim->instance[FAULTY]);
	}
}

/* Who waits at the end has waited so far: left out, the longest waits would be. */
static void conclude(struct sim *sim)
{
	for (uint32_t id = 0; id < sim->connections; id++) {
		const struct connection *connection = &sim->connection[id];

		if (connection->open && !connection->answered)
			numbers_add(&sim->answers, ms_since(sim, connection->established));
	}
	for (int i = 0; i < INSTANCES; i++) {
		const struct fifo *ready = &sim->instance[i].ready;

		for (uint32_t k = 0; k < ready->count; k++) {
			const struct item *item = &ready->item[(ready->head + k) & (ready->room - 1)];

			if (item->accepts)
				numbers_add(&sim->waits, ms_since(sim, sim->connection[item->connection].established));
		}
		set_active(sim, &sim->instance[i], sim->instance[i].active);
	}
}

void sim_run(struct sim *sim)
{
	static const uint32_t first_of[] = { [FAULT_STALL] = STALL, [FAULT_STOP] = STOP, [FAULT_RESTART] = DIE };
	const struct workload *workload = sim->workload;

	sim->end = workload->seconds * SECOND;
	sim->service.hash = workload->clients ? RCXLB_HASH_CLIENT : RCXLB_HASH_TUPLE;
	sim->service.hash_key[0] = mix(1);
	sim->service.hash_key[1] = mix(2);
	for (int i = 0; i < INSTANCES; i++)
		sim->instance[i].up = true;
	foresee(sim, 0, ARRIVE, 0, 0);
	if (workload->fault)
		foresee(sim, workload->fault_s * SECOND, first_of[workload->fault], 0, 0);
	while (sim->events) {
		struct event event = next_event(sim);

		sim->now = event.at;
		happen(sim, &event);
	}
	sim->now = sim->end;
	conclude(sim);
}

void sim_free(struct sim *sim)
{
	for (int i = 0; i < INSTANCES; i++)
		free(sim->instance[i].ready.item);
	free(sim->connection);
	free(sim->event);
	free(sim->waits.value);
	free(sim->answers.value);
}
