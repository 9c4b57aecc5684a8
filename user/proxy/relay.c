// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/relay.h"

#include <errno.h>

#include "proxy/clock.h"

/* Buffers moved for one side before the others have their turn. */
#define TURNS	 4
#define CUT_MS	 1000
#define POLL_MS	 2
#define POLL_MAX 64

static void on_client(evutil_socket_t fd, short what, void *arg);
static void on_instance(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);

const char *relay_end_name(enum relay_end end)
{
	static const char *const names[] = {
		[RELAY_DONE] = "done", [RELAY_CLIENT_BROKE] = "client_broke", [RELAY_INSTANCE_BROKE] = "instance_broke",
		[RELAY_IDLE] = "idle", [RELAY_NO_MEMORY] = "no_memory",
	};

	return names[end];
}

/* --- What breaks --- */

static struct flow *out_of(struct relay *relay, const struct side *side)
{
	return side == &relay->client ? &relay->up : &relay->down;
}

static struct flow *into(struct relay *relay, const struct side *side)
{
	return side == &relay->client ? &relay->down : &relay->up;
}

static void discard(struct relay *relay, struct flow *flow)
{
	if (flow->buffer)
		buffers_give(relay->buffers, flow->buffer);
	flow->buffer = NULL;
}

/*
 * Nothing can be written to it any more. It may have sent something before (an answer to a request that it did not read
 * to its end): that is still read, until there is nothing more.
 */
static void break_side(struct relay *relay, struct side *side, bool unreadable)
{
	struct flow *out = out_of(relay, side), *in = into(relay, side);

	discard(relay, in);
	in->dead = true;
	in->finish_waits = in->finish_polls = false;
	out->draining = true;
	out->cut = out->cut || unreadable || out->ended;
	if (!relay->cut_ms) {
		relay->cut_ms = clock_ms() + CUT_MS;
		relay->reason = side == &relay->client ? RELAY_CLIENT_BROKE : RELAY_INSTANCE_BROKE;
	}
}

/* --- Moving --- */

/* Reads into the flow's buffer. False: there is nothing to write now. */
static bool fill(struct relay *relay, struct flow *flow, struct side *from)
{
	ssize_t n;

	if (flow->ended || flow->cut || flow->dead)
		return false;
	flow->buffer = buffers_take(relay->buffers);
	if (!flow->buffer) {
		relay->reason = RELAY_NO_MEMORY;
		relay->cut_ms = 1; /* long ago */
		return false;
	}
	n = side_read(from, flow->buffer->bytes, sizeof(flow->buffer->bytes));
	if (n > 0) {
		flow->buffer->end = (unsigned int)n;
		relay->last_ms = clock_ms();
		return true;
	}
	discard(relay, flow);
	if (n == 0 && !flow->draining)
		flow->ended = true;
	else if (n != -EAGAIN || flow->draining)
		break_side(relay, from, true);
	return false;
}

/* Writes the flow's buffer. True: all of it. */
static bool drain(struct relay *relay, struct flow *flow, struct side *to)
{
	struct buffer *buffer = flow->buffer;

	while (buffer->start < buffer->end) {
		ssize_t n = side_write(to, buffer->bytes + buffer->start, buffer->end - buffer->start);

		if (n == -EAGAIN)
			return false;
		if (n < 0) {
			break_side(relay, to, false);
			return false;
		}
		buffer->start += (unsigned int)n;
		*flow->total += (uint64_t)n;
		relay->last_ms = clock_ms();
	}
	discard(relay, flow);
	return true;
}

static void finish(struct relay *relay, struct flow *flow, struct side *to)
{
	int err = side_finish(to);

	flow->finish_waits = err == -EAGAIN;
	flow->finish_polls = err == -EBUSY;
	if (flow->finish_waits || flow->finish_polls)
		return;
	/* Many clients close for good after their close_notify: ours reaches nobody, and nobody misses it. */
	if (!err || out_of(relay, to)->ended)
		flow->finished = true;
	else
		break_side(relay, to, false);
}

static void pump(struct relay *relay, struct flow *flow, struct side *from, struct side *to)
{
	int turn = 0;
	bool more = true;

	while (more && turn++ < TURNS) {
		unsigned int got;

		if (!flow->buffer && !fill(relay, flow, from))
			break;
		got = flow->buffer->end;
		if (!drain(relay, flow, to))
			break;
		/* A short read has taken what there was: the event loop tells when there is more, or an end. */
		more = got == BUFFER_SIZE || side_has_pending(from) || flow->draining;
	}
	if (flow->ended && !flow->buffer && !flow->finished && !flow->dead)
		finish(relay, flow, to);
}

/* --- Waiting --- */

static bool wants_bytes(const struct flow *flow)
{
	return !flow->buffer && !flow->ended && !flow->cut && !flow->dead;
}

static short wanted(const struct side *side, const struct flow *out, const struct flow *in)
{
	return side_events(side, wants_bytes(out), (in->buffer || in->finish_waits) && !in->dead);
}

static int watch(struct relay *relay)
{
	int err =
	    side_watch(&relay->client, relay->base, wanted(&relay->client, &relay->up, &relay->down), on_client, relay);

	if (err)
		return err;
	return side_watch(&relay->instance, relay->base, wanted(&relay->instance, &relay->down, &relay->up),
			  on_instance, relay);
}

static bool is_half_closed(const struct relay *relay)
{
	return relay->down.ended && !relay->up.ended;
}

static int64_t idle_limit(const struct relay *relay)
{
	return is_half_closed(relay) && relay->half_closed_ms < relay->idle_ms ? relay->half_closed_ms : relay->idle_ms;
}

static void set_timer(struct relay *relay, int64_t ms)
{
	struct timeval after = timeval_of_ms(ms < 1 ? 1 : ms);

	event_add(&relay->timer, &after);
}

/* What OpenSSL has read already no event tells of. */
static bool has_more(const struct relay *relay)
{
	return wants_bytes(&relay->up) && side_has_pending(&relay->client);
}

/* Not at once: a client that sends without end would leave no turn to timers, and to whom nothing is known of yet. */
static void go_on_soon(struct relay *relay)
{
	const struct timeval now = { 0, 0 };

	event_add(&relay->timer, &now);
}

/* --- The end --- */

static void end(struct relay *relay, enum relay_end reason)
{
	event_del(&relay->timer);
	discard(relay, &relay->up);
	discard(relay, &relay->down);
	relay->ended(relay, reason);
}

/* Who broke the protocol was sent an alert, which a RST might overtake. */
static void end_broken(struct relay *relay)
{
	if (relay->client.refused)
		side_close(&relay->client);
	else
		side_reset(&relay->client);
	side_reset(&relay->instance);
	end(relay, relay->reason);
}

/* The ends are sent if nothing is in flight; a peer that does not read for so long gets a RST. */
static void end_idle(struct relay *relay)
{
	if (relay->up.buffer || relay->down.buffer) {
		side_reset(&relay->client);
		side_reset(&relay->instance);
	} else {
		if (!relay->down.finished)
			side_finish(&relay->client);
		side_close(&relay->client);
		side_close(&relay->instance);
	}
	end(relay, RELAY_IDLE);
}

/* A flow whose source broke: true when its destination has all that there will be. */
static bool is_delivered(const struct flow *flow, const struct side *to)
{
	return flow->dead || (flow->cut && !flow->buffer && side_delivered(to));
}

static bool settle(struct relay *relay)
{
	if (relay->cut_ms) {
		bool up = relay->up.draining, down = relay->down.draining;

		if (clock_ms() >= relay->cut_ms || ((!up || is_delivered(&relay->up, &relay->instance)) &&
						    (!down || is_delivered(&relay->down, &relay->client)))) {
			end_broken(relay);
			return true;
		}
	} else if (relay->up.finished && relay->down.finished) {
		side_close(&relay->client);
		side_close(&relay->instance);
		end(relay, RELAY_DONE);
		return true;
	}
	return false;
}

/* After anything was done: is it over, and if not, what is waited for? */
static void go_on(struct relay *relay)
{
	if (settle(relay))
		return;
	if (watch(relay)) {
		relay->reason = RELAY_NO_MEMORY;
		end_broken(relay);
		return;
	}
	if (is_half_closed(relay) && !relay->half_closed) {
		relay->half_closed = true;
		set_timer(relay, idle_limit(relay));
	}
	if (!relay->poll_ms && (relay->cut_ms || relay->up.finish_polls || relay->down.finish_polls)) {
		relay->poll_ms = POLL_MS;
		set_timer(relay, relay->poll_ms);
	}
	if (has_more(relay))
		go_on_soon(relay);
}

static void serve(struct relay *relay, struct side *side, struct side *other, short what)
{
	struct flow *out = out_of(relay, side), *in = into(relay, side);

	if (side->watching == SIDE_WATCH_ERRORS) {
		if (side_error(side))
			break_side(relay, side, false);
		if (out->draining)
			pump(relay, out, side, other);
	} else {
		bool crossed = side->read_blocked || side->write_blocked;

		if ((what & EV_READ) || crossed)
			pump(relay, out, side, other);
		if ((what & EV_WRITE) || crossed)
			pump(relay, in, other, side);
	}
	/* A side that broke while it was written to may have been read to its end. */
	if (other->fd >= 0 && in->draining && !in->buffer)
		pump(relay, in, other, side);
	if (out->draining && !out->cut && !out->buffer)
		pump(relay, out, side, other);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct relay *relay = arg;

	(void)fd;
	serve(relay, &relay->client, &relay->instance, what);
	go_on(relay);
}

static void on_instance(evutil_socket_t fd, short what, void *arg)
{
	struct relay *relay = arg;

	(void)fd;
	serve(relay, &relay->instance, &relay->client, what);
	go_on(relay);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct relay *relay = arg;
	int64_t quiet;

	(void)fd;
	(void)what;
	if (has_more(relay))
		serve(relay, &relay->client, &relay->instance, EV_READ);
	quiet = clock_ms() - relay->last_ms;
	if (!relay->cut_ms && quiet >= idle_limit(relay)) {
		end_idle(relay);
		return;
	}
	if (relay->up.finish_polls)
		finish(relay, &relay->up, &relay->instance);
	if (relay->down.finish_polls)
		finish(relay, &relay->down, &relay->client);
	if (relay->cut_ms || relay->up.finish_polls || relay->down.finish_polls) {
		relay->poll_ms = relay->poll_ms < POLL_MAX ? relay->poll_ms * 2 : POLL_MAX;
		set_timer(relay, relay->poll_ms);
	} else {
		relay->poll_ms = 0;
		set_timer(relay, idle_limit(relay) - quiet);
	}
	go_on(relay);
}

int relay_start(struct relay *relay)
{
	relay->up = (struct flow){ .total = relay->up.total, .buffer = relay->up.buffer };
	relay->down = (struct flow){ .total = relay->down.total, .buffer = relay->down.buffer };
	relay->last_ms = clock_ms();
	relay->cut_ms = 0;
	relay->poll_ms = 0;
	relay->half_closed = false;
	if (evtimer_assign(&relay->timer, relay->base, on_timer, relay) || watch(relay))
		return -ENOMEM;
	set_timer(relay, relay->idle_ms);
	if (has_more(relay))
		go_on_soon(relay);
	return 0;
}

void relay_abandon(struct relay *relay)
{
	event_del(&relay->timer);
	discard(relay, &relay->up);
	discard(relay, &relay->down);
	side_reset(&relay->client);
	side_reset(&relay->instance);
}
