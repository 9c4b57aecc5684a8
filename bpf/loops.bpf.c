// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Is anybody there to accept? A connection that lands in the queue of a thread which is busy waits for it, however
 * healthy its process is. Nothing tells when a thread will accept; what the kernel knows of it is this:
 *
 * - Who waits for a listening socket stands in its wait queue: an epoll instance, or a thread in poll() or accept().
 *   A thread in there, or one in epoll_wait() on that instance, sleeps and will accept at once: ASLEEP. Its wait queue
 *   entry names the thread, which is remembered.
 * - A thread that was remembered and does not sleep there is stopped when its state says so (STOPPED).
 * - Else it works. Each sleep, read() and write() of it is counted by the kernel, and so are changes at the head of
 *   the epoll instance's ready list: a loop that has got nothing done for `blocked_ms` is STILL. A timer looks every
 *   five milliseconds while connections come, because the counters have no time stamps. (Every millisecond would know
 *   of a block 2 ms sooner, and costs 8 % of the connections of a virtual machine whose timers are expensive.)
 * - When nobody looked for a while: a thread that has not left its CPU for longer is AWAY.
 * - One that could work and was given no CPU for four times as long is STARVED.
 * - Of any kind of server: a connection that nobody accepted for twice as long means that it is LATE.
 *
 * Each of these is a lower bound, so whoever is called blocked is. All reads are fault-safe: a pointer that is stale
 * gives a wrong answer for a moment and not a crash, and a task is believed only while its pid and start time agree,
 * or did so at most five milliseconds ago.
 * What a kernel does not have is left out: at worst everything is UNKNOWN, and the accept queue alone speaks.
 *
 * Nothing here decides over a connection, and nothing here can fail.
 */
#include "loops.bpf.h"
#include "maps.bpf.h"
#include "peek.bpf.h"
#include "rcxlb/choice.h"

#define MS		1000000ull
#define TICK_NS		(5 * MS)
#define DENSE_NS	(4 * TICK_NS) /* while connections look at each loop more often than the timer */
#define WATCH_NS	(100 * MS)    /* after the last connection */
#define BATCH		64	      /* backends whose loops are looked at in one tick */
#define UNSEEN_NS	(10000 * MS)  /* a loop that no connection looked at for so long makes room for another */
#define WAY_NS		(1000 * MS)   /* the way to a loop that alone waits for a listener is believed */
#define HALT_NS		MS	      /* after progress: until then nobody asks whether it was stopped */
#define CLOCK_MONOTONIC 1

/*
 * Who is runnable without a CPU got nothing done through no fault of its own, and a loop that reads by recv() alone is
 * seen to get things done only by its sleeps and its ready list: each needs more patience before it is called STILL.
 */
#define PATIENCE 4

/*
 * Who was blocked for long is suspect for as long again: a loop that stalls does so again, and the moment in which it
 * does not must not draw the clients that it will keep waiting. Not for short, which may be chance; and not for ever.
 */
#define SUSPECT_LEAST	4 /* times blocked_ms */
#define SUSPECT_MOST_NS (500 * MS)

#define TASK_RUNNING	   0
#define TASK_HALTED	   (4u | 8u | 0x8000u) /* __TASK_STOPPED, __TASK_TRACED, TASK_FROZEN */
#define JOBCTL_TRAP_FREEZE (1ul << 23)	       /* cgroup.freeze */

/* Where these functions of the kernel are: user space fills it in. 0: not known, and no waiter has that. */
const volatile __u64 ep_poll_callback = 0;
const volatile __u64 pollwake = 0;
const volatile __u64 autoremove_wake_function = 0;

#define SEEN(now) ((__u32)((now) >> 20)) /* milliseconds, nearly */

#define UNSEEN LOOPS_SIGHT(RCXLB_LOOP_UNKNOWN, 0)
#define NOBODY LOOPS_SIGHT(RCXLB_LOOP_FULL + 1, 0)

/* The address of what contains the member at this address; and of the member of what is there. */
#define CONTAINER(address, type, member) ((address)-bpf_core_field_offset(struct type, member))
#define MEMBER(address, type, member)	 ((address) + bpf_core_field_offset(struct type, member))

/* Time from then to now; 0 when another CPU looked in between. */
static __always_inline __u64 time_since(__u64 then, __u64 now)
{
	return now > then ? now - then : 0;
}

static __always_inline bool epoll_is_known(void)
{
	return bpf_core_field_exists(struct eventpoll, wq) && bpf_core_field_exists(struct eppoll_entry, base) &&
	       bpf_core_field_exists(struct epitem, ep);
}

/* The epoll instance that an entry of a wait queue belongs to. Or 0. */
static __always_inline __u64 epoll_of(__u64 waiter)
{
	__u64 item;

	if (!epoll_is_known() || PEEK_UNTYPED(waiter, wait_queue_entry, func) != ep_poll_callback)
		return 0;
	item = PEEK_POINTER(CONTAINER(waiter, eppoll_entry, wait), eppoll_entry, base);
	return PEEK_POINTER(item, epitem, ep);
}

/* The first entry of an epoll instance's wait queue: of a thread in epoll_wait(). Or 0. */
static __always_inline __u64 epoll_sleeper(__u64 epoll)
{
	__u64 first = PEEK_POINTER(epoll, eventpoll, wq.head.next);

	return first == MEMBER(epoll, eventpoll, wq.head) ? 0 : first;
}

/* First of what the loop will be told about next; 0 when there is nothing. */
static __always_inline __u64 epoll_ready(__u64 epoll)
{
	__u64 first;

	if (!epoll || !bpf_core_field_exists(struct eventpoll, rdllist))
		return 0;
	first = PEEK_POINTER(epoll, eventpoll, rdllist.next);
	return first == MEMBER(epoll, eventpoll, rdllist) ? 0 : first;
}

static __always_inline bool thread_is_there(const struct rcxlb_thread *thread)
{
	__u64 task = thread->task;

	return task && (__u32)PEEK(task, task_struct, pid) == thread->pid &&
	       PEEK(task, task_struct, start_boottime) == thread->started && !PEEK(task, task_struct, exit_state);
}

static __always_inline struct rcxlb_thread thread_of(__u64 task)
{
	return (struct rcxlb_thread){
		.task = task,
		.started = PEEK(task, task_struct, start_boottime),
		.pid = PEEK(task, task_struct, pid),
	};
}

/*
 * Notes how far a loop has come. It sleeps at the beginning of a sleep's count, so it is still only from a look on at
 * which it was awake. What became ready while it was busy changes an empty list, which says nothing.
 */
static __always_inline void loop_note(struct rcxlb_loop *loop, __u64 now, bool asleep)
{
	__u64 ready = epoll_ready(loop->epoll), task = loop->thread.task, work;
	bool worked;
	__u32 reads = 0;

	if (bpf_core_field_exists(struct task_io_accounting, syscr))
		reads = PEEK(task, task_struct, ioac.syscr) + PEEK(task, task_struct, ioac.syscw);
	work = PEEK(task, task_struct, nvcsw) << 32 | reads;
	worked = work != loop->work || (loop->ready && ready != loop->ready);
	if (asleep)
		loop->progress = now;
	else if (worked && loop->looked > loop->progress)
		loop->progress = loop->looked;
	if (asleep || loop->asleep || worked || !loop->looked)
		loop->still = now;
	/* While it is looked at: by read() came the libraries of any process. */
	if (loop->looked && reads != (__u32)loop->work)
		loop->reads = 1;
	loop->work = work;
	loop->ready = ready;
	loop->asleep = asleep;
	loop->looked = now;
}

static __always_inline bool loop_is(const struct rcxlb_loop *loop, __u64 epoll, __u64 task)
{
	return loop->epoll == epoll && (epoll ? loop->thread.task != 0 : loop->thread.task == task);
}

/* Where a loop is remembered. Or NULL. */
static __always_inline struct rcxlb_loop *loop_find(struct rcxlb_loops *loops, __u64 epoll, __u64 task)
{
	for (int i = 0; i < RCXLB_LOOPS; i++)
		if (loop_is(&loops->loop[i], epoll, task))
			return &loops->loop[i];
	return NULL;
}

/* By no connection for so long. Another CPU may have seen it a moment from now. */
static __always_inline bool is_unseen(const struct rcxlb_loop *loop, __u64 now, __u64 time)
{
	return (__s32)(SEEN(now) - loop->seen) > (__s32)SEEN(time);
}

/* Where one can be: a thread that was there is no more, or serves others by now. Or NULL. */
static __always_inline struct rcxlb_loop *loop_room(struct rcxlb_loops *loops, __u64 now)
{
	for (int i = 0; i < RCXLB_LOOPS; i++)
		if (!thread_is_there(&loops->loop[i].thread))
			return &loops->loop[i];
	for (int i = 0; i < RCXLB_LOOPS; i++)
		if (is_unseen(&loops->loop[i], now, UNSEEN_NS))
			return &loops->loop[i];
	return NULL;
}

static __always_inline void loop_remember(struct rcxlb_loop *loop, __u64 epoll, const struct rcxlb_thread *thread,
					  bool guessed, __u64 now)
{
	loop->thread.task = 0; /* whoever reads this at the same time believes nothing */
	loop->epoll = epoll;
	loop->work = 0;
	loop->ready = 0;
	loop->still = 0;
	loop->progress = 0;
	loop->looked = 0;
	loop->suspect = 0;
	loop->wait = 0;
	loop->waiter = 0;
	loop->followed = 0;
	loop->seen = SEEN(now);
	loop->asleep = 0;
	loop->guessed = guessed;
	loop->reads = 0;
	loop->thread = *thread;
}

static __always_inline bool is_halted(__u64 task)
{
	return PEEK(task, task_struct, __state) & TASK_HALTED || PEEK(task, task_struct, jobctl) & JOBCTL_TRAP_FREEZE;
}

/* How long it has been on its CPU, by the scheduler's clocks: as old as that CPU's last tick or switch, never ahead. */
static __always_inline __s64 time_on_cpu(__u64 task)
{
	__u64 me = (__u64)bpf_get_current_task(), its, here, arrived;

	if (!bpf_core_field_exists(struct sched_info, last_arrival) ||
	    !bpf_core_field_exists(struct sched_entity, cfs_rq) || !bpf_core_field_exists(struct cfs_rq, rq))
		return 0;
	its = PEEK_POINTER(task, task_struct, se.cfs_rq);
	here = PEEK_POINTER(me, task_struct, se.cfs_rq);
	its = PEEK_POINTER(its, cfs_rq, rq);
	here = PEEK_POINTER(here, cfs_rq, rq);
	its = PEEK(its, rq, clock);
	here = PEEK(here, rq, clock);
	arrived = PEEK(task, task_struct, sched_info.last_arrival);
	return arrived ? (__s64)((its > here ? its : here) - arrived) : 0;
}

/* All that leads to it was looked at a moment ago. */
static __always_inline bool was_followed(const struct rcxlb_loop *loop, __u64 now)
{
	return time_since(loop->followed, now) < TICK_NS;
}

static __always_inline __u32 sight_of(const struct rcxlb_loop *loop, __u32 state, __u64 now)
{
	return LOOPS_SIGHT(state, now < loop->suspect);
}

/* It is blocked, and has been for so long. */
static __always_inline void suspect(struct rcxlb_loop *loop, __u64 now, __u64 blocked_ns)
{
	__u64 lasted = time_since(loop->still, now),
	      until = now + (lasted < SUSPECT_MOST_NS ? lasted : SUSPECT_MOST_NS);

	if (loop->still && lasted > SUSPECT_LEAST * blocked_ns && until > loop->suspect)
		loop->suspect = until;
}

/* Of a loop that does not sleep. Global, as saw_asleep() and loops_look() are: verified once each. */
__noinline int loop_judge(struct rcxlb_loop *loop, __u64 now, __u64 blocked_ns)
{
	__u64 patience = blocked_ns, task, lasted;
	bool has_cpu, starves;
	__u32 state;

	if (!loop || (!was_followed(loop, now) && !thread_is_there(&loop->thread)))
		return UNSEEN;
	loop->seen = SEEN(now);
	task = loop->thread.task;
	if (time_since(loop->progress, now) >= HALT_NS && is_halted(task)) {
		suspect(loop, now, blocked_ns);
		return sight_of(loop, RCXLB_LOOP_STOPPED, now);
	}
	/* The timer has just looked. */
	if (time_since(loop->looked, now) < TICK_NS && time_since(loop->progress, now) < blocked_ns)
		return sight_of(loop, RCXLB_LOOP_ALIVE, now);
	state = PEEK(task, task_struct, __state);
	loop_note(loop, now, false);
	if (loop->guessed && state != TASK_RUNNING) /* its process may have others that do the work */
		return sight_of(loop, RCXLB_LOOP_AWAKE, now);
	has_cpu = !bpf_core_field_exists(struct task_struct, on_cpu) || PEEK(task, task_struct, on_cpu);
	starves = state == TASK_RUNNING && !has_cpu;
	if (!loop->reads || starves)
		patience *= PATIENCE;
	lasted = time_since(loop->still, now);
	if (lasted > patience && starves)
		return sight_of(loop, RCXLB_LOOP_STARVED, now);
	if (lasted > patience) {
		suspect(loop, now, blocked_ns);
		return sight_of(loop, RCXLB_LOOP_STILL, now);
	}
	if (time_since(loop->progress, now) < 2 * blocked_ns)
		return sight_of(loop, RCXLB_LOOP_ALIVE, now);
	if (has_cpu && time_on_cpu(task) > (__s64)(2 * blocked_ns))
		return sight_of(loop, RCXLB_LOOP_AWAY, now);
	return sight_of(loop, RCXLB_LOOP_AWAKE, now);
}

static __always_inline void loop_sleeps(struct rcxlb_loop *loop, __u64 now)
{
	loop->asleep = 1;
	loop->progress = now;
	loop->still = now;
}

/* A loop seen asleep: who it is, and that it is fine. */
__noinline int saw_asleep(struct rcxlb_loops *loops, __u64 epoll, __u64 task, __u64 now)
{
	struct rcxlb_thread thread;
	struct rcxlb_loop *loop;

	if (!loops || !task)
		return LOOPS_SIGHT(RCXLB_LOOP_ASLEEP, 0);
	loop = loop_find(loops, epoll, task);
	if (loop)
		loop->seen = SEEN(now);
	if (loop && loop->thread.task == task && !loop->guessed && time_since(loop->looked, now) < TICK_NS) {
		loop_sleeps(loop, now);
		return sight_of(loop, RCXLB_LOOP_ASLEEP, now);
	}
	if (!loop)
		loop = loop_room(loops, now);
	if (!loop)
		return LOOPS_SIGHT(RCXLB_LOOP_ASLEEP, 0);
	thread = thread_of(task);
	if (!loop_is(loop, epoll, task) || loop->thread.task != task || loop->thread.started != thread.started)
		loop_remember(loop, epoll, &thread, false, now);
	loop->guessed = 0;
	loop_note(loop, now, true);
	return sight_of(loop, RCXLB_LOOP_ASLEEP, now);
}

/* The process that alone holds a backend's listener. Or NULL. */
static __always_inline struct rcxlb_thread *only_owner(__u32 backend)
{
	struct rcxlb_owners *known = bpf_map_lookup_elem(&owners, &backend);

	return known && known->holders == 1 ? &known->thread[0] : NULL;
}

/* Nobody is left who could accept: however many processes share the listener, and whatever they wait by. */
__noinline int owners_are_halted(__u32 backend)
{
	struct rcxlb_owners *known = bpf_map_lookup_elem(&owners, &backend);

	if (!known || !known->holders || known->holders > RCXLB_OWNERS)
		return 0;
	for (__u32 i = 0; i < RCXLB_OWNERS && i < known->holders; i++)
		if (!thread_is_there(&known->thread[i]) || !is_halted(known->thread[i].task))
			return 0;
	return 1;
}

/* Never seen asleep: it is taken for the first thread of the process that holds it, if one alone does. */
__noinline int guess(struct rcxlb_loops *loops, __u32 backend, __u64 epoll, __u64 now)
{
	struct rcxlb_thread *owner = bpf_map_lookup_elem(&epolls, &epoll);
	struct rcxlb_loop *loop;

	if (!owner || owner->holders != 1)
		owner = only_owner(backend);
	if (!loops || !owner || !thread_is_there(owner))
		return 0;
	loop = loop_room(loops, now);
	if (!loop)
		return 0;
	loop_remember(loop, epoll, owner, true, now);
	return 1;
}

static __always_inline __u32 epoll_sight(struct rcxlb_loops *loops, __u32 backend, __u64 epoll, __u64 now,
					 __u64 blocked_ns)
{
	__u64 sleeper = epoll_sleeper(epoll);
	struct rcxlb_loop *loop;

	if (sleeper) {
		sleeper = CONTAINER(sleeper, wait_queue_entry, entry);
		return saw_asleep(loops, epoll, PEEK_UNTYPED(sleeper, wait_queue_entry, private), now);
	}
	loop = loop_find(loops, epoll, 0);
	if (!loop && guess(loops, backend, epoll, now))
		loop = loop_find(loops, epoll, 0);
	return loop ? loop_judge(loop, now, blocked_ns) : UNSEEN;
}

/* What one entry of a listener's wait queue tells. */
static __always_inline __u32 waiter_sight(struct rcxlb_loops *loops, __u32 backend, __u64 waiter, __u64 now,
					  __u64 blocked_ns)
{
	__u64 wakes = PEEK_UNTYPED(waiter, wait_queue_entry, func), it;

	if (!wakes)
		return UNSEEN;
	if (wakes == ep_poll_callback && epoll_is_known()) {
		it = PEEK_POINTER(CONTAINER(waiter, eppoll_entry, wait), eppoll_entry, base);
		it = PEEK_POINTER(it, epitem, ep);
		return it ? epoll_sight(loops, backend, it, now, blocked_ns) : UNSEEN;
	}
	it = PEEK_UNTYPED(waiter, wait_queue_entry, private);
	if (wakes == autoremove_wake_function) /* accept(): leaves the queue when it is woken */
		return saw_asleep(loops, 0, it, now);
	if (wakes == pollwake && bpf_core_field_exists(struct poll_wqueues, polling_task)) {
		if (PEEK(it, poll_wqueues, triggered))
			return LOOPS_SIGHT(RCXLB_LOOP_ALIVE, 0);
		return saw_asleep(loops, 0, PEEK_POINTER(it, poll_wqueues, polling_task), now);
	}
	return UNSEEN; /* io_uring, or what comes after it */
}

/* Of threads that wait in accept() or poll(), when none is there: the best of those remembered. */
static __always_inline __u32 threads_sight(struct rcxlb_loops *loops, __u64 now, __u64 blocked_ns)
{
	__u32 best = NOBODY, sight;

	for (int i = 0; i < RCXLB_LOOPS; i++) {
		struct rcxlb_loop *loop = &loops->loop[i];

		if (loop->epoll || !loop->thread.task || !thread_is_there(&loop->thread))
			continue;
		sight = loop_judge(loop, now, blocked_ns);
		best = sight < best ? sight : best;
	}
	return best < NOBODY ? best : UNSEEN;
}

/* Since when this has been the oldest connection of its queue, as far as is known. */
static __always_inline __u64 oldest_since(struct rcxlb_loops *loops, __u64 wait, __u64 request, __u64 now)
{
	struct rcxlb_oldest *oldest = &loops->oldest[wait / 64 % RCXLB_LOOPS];
	__u32 number = 0;

	if (bpf_core_field_exists(struct tcp_request_sock, snt_isn))
		number = PEEK(request, tcp_request_sock, snt_isn);
	if (!number || oldest->wait != wait || oldest->request != request || oldest->number != number) {
		oldest->since = now;
		oldest->wait = wait;
		oldest->request = request;
		oldest->number = number;
	}
	return oldest->since;
}

/*
 * Has the oldest connection that nobody accepted waited for too long? Since the last that came from its client, or
 * since a look at which it was the oldest already.
 */
static __always_inline bool is_late(struct rcxlb_loops *loops, __u64 wait, __u64 now, __u64 limit_ns)
{
	__u64 listener = PEEK_POINTER(CONTAINER(wait, socket, wq), socket, sk), request, child, heard, since;

	request = PEEK_POINTER(listener, tcp_sock, inet_conn.icsk_accept_queue.rskq_accept_head);
	if (!request)
		return false;
	child = PEEK_POINTER(request, request_sock, sk);
	heard = child ? PEEK(child, tcp_sock, tcp_mstamp) * 1000 : 0;
	since = oldest_since(loops, wait, request, now);
	return time_since(heard && heard < since ? heard : since, now) > limit_ns;
}

/* Goes from a listener's wait queue to each loop that waits there: the sight of the best, and whether it is alone. */
static __always_inline __u32 follow(struct rcxlb_loops *known, __u32 backend, __u64 wait, __u64 now, __u64 blocked_ns,
				    bool *alone)
{
	__u64 head = MEMBER(wait, socket_wq, wait.head), first = PEEK_POINTER(wait, socket_wq, wait.head.next),
	      at = first, waiter = at;
	struct rcxlb_loop *loop;
	__u32 best = NOBODY, sight;
	__u64 epoll;

	for (int i = 0; i <= RCXLB_LOOPS && at && at != head; i++) {
		sight = UNSEEN; /* more of them than are watched */
		waiter = CONTAINER(at, wait_queue_entry, entry);
		if (i < RCXLB_LOOPS)
			sight = waiter_sight(known, backend, waiter, now, blocked_ns);
		at = PEEK_POINTER(at, list_head, next);
		best = sight < best ? sight : best;
		epoll = !i && at == head ? epoll_of(waiter) : 0;
		loop = epoll ? loop_find(known, epoll, 0) : NULL;
		*alone |= epoll != 0;
		if (loop && !loop->guessed && sight != UNSEEN) {
			loop->wait = wait;
			loop->waiter = first;
			loop->followed = now;
		}
		if (sight == LOOPS_SIGHT(RCXLB_LOOP_ASLEEP, 0))
			return sight;
	}
	return best == NOBODY ? threads_sight(known, now, blocked_ns) : best;
}

/*
 * The loop that alone waits for this listener, when the way to it was gone not long ago and begins as it did. Every
 * step of that way is a wait for memory: another CPU has just changed what is there. Or NULL.
 */
static __always_inline struct rcxlb_loop *loop_followed(struct rcxlb_loops *known, __u64 wait, __u64 now)
{
	for (int i = 0; i < RCXLB_LOOPS; i++) {
		struct rcxlb_loop *loop = &known->loop[i];

		if (loop->wait != wait)
			continue;
		if (time_since(loop->followed, now) > WAY_NS ||
		    PEEK_POINTER(wait, socket_wq, wait.head.next) != loop->waiter ||
		    PEEK_POINTER(wait, socket_wq, wait.head.prev) != loop->waiter)
			return NULL;
		loop->seen = SEEN(now);
		return loop;
	}
	return NULL;
}

__noinline int loops_look(__u32 backend, __u64 wait, __u64 now, __u32 blocked_ms, __u32 queue)
{
	struct rcxlb_loops *known = bpf_map_lookup_elem(&loops, &backend);
	__u64 blocked_ns = blocked_ms * MS, patience = 2 * blocked_ns;
	struct rcxlb_loop *loop;
	bool alone;
	__u32 best;

	if (!known)
		return UNSEEN;
	loop = loop_followed(known, wait, now);
	alone = loop != NULL;
	if (loop && epoll_sleeper(loop->epoll)) {
		loop_sleeps(loop, now);
		best = sight_of(loop, RCXLB_LOOP_ASLEEP, now);
	} else {
		best = loop ? (__u32)loop_judge(loop, now, blocked_ns)
			    : follow(known, backend, wait, now, blocked_ns, &alone);
	}
	if (best == UNSEEN && owners_are_halted(backend))
		return LOOPS_SIGHT(RCXLB_LOOP_STOPPED, 0);
	/* One that alone would accept and sleeps over a queue does not wait for what is in there. */
	if (!queue || LOOPS_STATE(best) >= RCXLB_LOOP_STARVED || (LOOPS_STATE(best) == RCXLB_LOOP_ASLEEP && !alone))
		return best;
	/* A loop that is alive merely has a long queue, unless it is very long. */
	if (LOOPS_STATE(best) == RCXLB_LOOP_ALIVE)
		patience = 20 * blocked_ns;
	return is_late(known, wait, now, patience) ? LOOPS_SIGHT(RCXLB_LOOP_LATE, LOOPS_SUSPECT(best)) : best;
}

/* What one tick looks at: entries of `loops` from `next` on, until there were BATCH with a thread that lives. */
struct batch {
	__u64 now;
	__u32 next;
	__u32 live;
	__u32 last;   /* entry that has one, and 1 */
	__u32 unseen; /* loops that connections did not look at since the last tick */
};

static long look_at_backend(__u32 i, struct batch *batch)
{
	__u32 id = batch->next;
	struct rcxlb_loops *known = bpf_map_lookup_elem(&loops, &id);
	bool lives = false;

	(void)i;
	if (!known || batch->live >= BATCH)
		return 1;
	batch->next = id + 1;
	for (int k = 0; k < RCXLB_LOOPS; k++) {
		struct rcxlb_loop *loop = &known->loop[k];

		if (!loop->thread.task || !thread_is_there(&loop->thread))
			continue;
		lives = true;
		loop_note(loop, batch->now, loop->epoll && epoll_sleeper(loop->epoll));
		if (is_unseen(loop, batch->now, 2 * TICK_NS))
			batch->unseen++;
	}
	if (lives) {
		batch->live++;
		batch->last = id + 1;
	}
	return 0;
}

/* Loops that connections look at all the time need no timer that is as frequent, when one tick is enough for all. */
static int tick(void *map, int *key, struct rcxlb_watch *watch)
{
	struct batch batch = { .now = bpf_ktime_get_ns() };
	__u32 first = watch->next < watch->backends ? watch->next : 0;
	bool all;

	(void)map;
	(void)key;
	batch.next = first;
	bpf_loop(watch->backends - first, look_at_backend, &batch, 0);
	all = !first && batch.next >= watch->backends;
	watch->next = batch.next;
	if (all)
		watch->backends = batch.last; /* steer raises it when it looks at one behind that */
	if (batch.now < watch->until)
		bpf_timer_start(&watch->timer, all && !batch.unseen ? DENSE_NS : TICK_NS, 0);
	return 0;
}

__noinline int loops_watch(__u32 id, __u64 now)
{
	struct rcxlb_watch *entry;
	__u32 zero = 0;
	__u64 ends;

	entry = bpf_map_lookup_elem(&watch, &zero);
	if (!entry)
		return 0;
	if (id >= entry->backends)
		entry->backends = id + 1;
	if (now + WATCH_NS / 2 < entry->until)
		return 0;
	ends = entry->until;
	entry->until = now + WATCH_NS;
	if (now + DENSE_NS < ends) /* it runs, and will see that it goes on */
		return 0;
	bpf_timer_init(&entry->timer, &watch, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&entry->timer, tick);
	bpf_timer_start(&entry->timer, TICK_NS, 0);
	return 0;
}
