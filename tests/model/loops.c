// SPDX-License-Identifier: BSD-2-Clause
/*
 * What bpf/loops.bpf.c knows of an instance at the moment that a connection comes: the same steps, with the model's
 * counters in place of the kernel's. Of its ready list nothing is used, which can only make a loop look worse.
 */
#include "sim.h"

#define TICK	   (5 * MS)
#define WATCH_NS   (100 * MS)
#define BLOCKED_NS (RCXLB_BLOCKED_MS * MS)
#define PATIENCE   4
#define LATE	   2
#define LATE_ALIVE 20

#define SUSPECT_LEAST	4
#define SUSPECT_MOST_NS (500 * MS)

/* In epoll_wait(). Who is stopped has been woken up for that. */
bool is_asleep(const struct instance *instance)
{
	return instance->up && !instance->busy && !instance->stopped && !instance->ready.count;
}

/* loop_note() */
static void note(struct instance *instance, uint64_t now, bool asleep)
{
	struct seen *seen = &instance->seen;
	bool worked = instance->work != seen->work;

	if (asleep || (worked && seen->looked))
		seen->progress = asleep ? now : seen->looked;
	if (asleep || seen->asleep || worked || !seen->looked)
		seen->still = now;
	seen->work = instance->work;
	seen->asleep = asleep;
	seen->looked = now;
}

bool is_suspect(const struct instance *instance, uint64_t now)
{
	return now < instance->seen.suspect;
}

static void suspect(struct seen *seen, uint64_t now)
{
	uint64_t lasted = now - seen->still, until = now + (lasted < SUSPECT_MOST_NS ? lasted : SUSPECT_MOST_NS);

	if (seen->still && lasted > SUSPECT_LEAST * BLOCKED_NS && until > seen->suspect)
		seen->suspect = until;
}

/* loop_judge(): every instance has a CPU to itself here. */
static enum rcxlb_loop_state judge(struct instance *instance, uint64_t now)
{
	uint64_t patience = instance->reads ? BLOCKED_NS : PATIENCE * BLOCKED_NS;

	if (instance->stopped) {
		suspect(&instance->seen, now);
		return RCXLB_LOOP_STOPPED;
	}
	note(instance, now, false);
	if (now - instance->seen.still > patience) {
		suspect(&instance->seen, now);
		return RCXLB_LOOP_STILL;
	}
	if (now - instance->seen.progress < 2 * BLOCKED_NS)
		return RCXLB_LOOP_ALIVE;
	return now - instance->woke > 2 * BLOCKED_NS ? RCXLB_LOOP_AWAY : RCXLB_LOOP_AWAKE;
}

static bool is_late(const struct instance *instance, const struct connection *connections, uint64_t now, uint64_t limit)
{
	const struct fifo *ready = &instance->ready;

	for (uint32_t i = 0; instance->queue && i < ready->count; i++) {
		const struct item *item = &ready->item[(ready->head + i) & (ready->room - 1)];

		if (item->accepts)
			return now - connections[item->connection].established > limit;
	}
	return false;
}

enum rcxlb_loop_state loops_look(struct instance *instance, const struct connection *connections, uint64_t now)
{
	enum rcxlb_loop_state state;

	if (is_asleep(instance)) {
		note(instance, now, true);
		return RCXLB_LOOP_ASLEEP;
	}
	state = judge(instance, now);
	if (state < RCXLB_LOOP_LATE &&
	    is_late(instance, connections, now, (state == RCXLB_LOOP_ALIVE ? LATE_ALIVE : LATE) * BLOCKED_NS))
		return RCXLB_LOOP_LATE;
	return state;
}

void loops_watch(struct sim *sim)
{
	if (sim->now + WATCH_NS / 2 < sim->watch_until)
		return;
	sim->watch_until = sim->now + WATCH_NS;
	sim->watch_run++; /* starting a timer that runs puts it off */
	sim_tick_at(sim, sim->now + TICK);
}

void loops_tick(struct sim *sim)
{
	for (int i = 0; i < INSTANCES; i++)
		if (sim->instance[i].up)
			note(&sim->instance[i], sim->now, is_asleep(&sim->instance[i]));
	if (sim->now < sim->watch_until)
		sim_tick_at(sim, sim->now + TICK);
}
