// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_conversation.h"

#include <arpa/inet.h>
#include <errno.h>

#include "core/endpoint.h"
#include "proxy/clock.h"
#include "proxy/http_steps.h"

#define TURN_READS     8 /* before others have their turn */
#define TURN_EXCHANGES 16
#define KEEP_MS	       75000 /* a client's connection without a request */
#define LINGER_MS      30000
#define SILENT_MS      5000 /* of these, without a byte */
#define LINGER_BYTES   (16 << 20)
#define POLL_MS	       2 /* between attempts to tell the client the end, at first */
#define POLL_MAX       64
#define PAUSE_MS       100 /* a process that ends closes its connections first, and what it listens on last */
#define SEEK_MS	       50  /* between questions whether it is in the folder */
#define NEVER	       INT64_MAX

static void on_client(evutil_socket_t fd, short what, void *arg);
static void on_instance(evutil_socket_t fd, short what, void *arg);

/* --- Exchanges --- */

static bool take_request(struct http_conversation *c)
{
	/* Who asks on and on is answered on, but others have their turn between. */
	if (c->state == HTTP_AWAITING && !c->exchanges_left) {
		c->postponed = c->client_readable || (c->exchange && c->exchange->request.in);
		return false;
	}
	if (!c->exchange || !c->exchange->request.in) {
		bool came = http_read_client(c);

		if (c->state == HTTP_AWAITING && c->exchange && !c->exchange->request.in)
			http_drop_exchange(c);
		if (!c->exchange || !c->exchange->request.in)
			return came;
	}
	if (c->state == HTTP_AWAITING) {
		http_enter(c, HTTP_READING);
		c->exchange->came_ms = c->now_ms;
		c->exchanges_left--;
	}
	http_parse_request(c);
	return true;
}

static void begin_tunnel(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	c->up = x->request.in;
	c->down = x->answer.in;
	x->request.in = x->answer.in = NULL;
	c->tunnel = true;
	http_enter(c, HTTP_OVER);
}

/* The client has the answer. What is left of the request, if anything is, nobody wants any more. */
static void end_exchange(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	bool complete = x->request.ended && !http_half_pending(&x->request);
	bool keep = x->reply.keep && complete && !c->client_ended;
	bool reuse = keep && !x->halted && !c->instance_ended && !x->answer.in && c->kept_for_ms > 0;

	/* Bodies that should not be there come a moment later; who has asked already leaves no time to notice them. */
	c->surplus = x->asked.head || x->status == 204 || x->status == 304 || x->request.in;
	http_record(c);
	if (!reuse)
		http_drop_instance(c, !complete);
	if (!x->own) /* else the instance has not heard from it */
		c->instance_ms = c->now_ms + c->kept_for_ms;
	if (!keep) {
		http_close_client(c, !complete || x->request.in || x->asked.keep);
		http_drop_exchange(c);
		return;
	}
	http_enter(c, HTTP_AWAITING);
	if (!x->request.in)
		http_drop_exchange(c);
	else if (!http_exchange_begin(x, &c->shared->buffers, &c->service->limits, c->secure))
		http_over(c, true);
}

/* There was no room for all that came, and now there is. */
static bool has_more(const struct http_half *half, bool halted)
{
	return half->in && !half->ended && !halted && !http_half_pending(half);
}

static bool talk(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	http_parse_request(c);
	if (c->state != HTTP_TALKING)
		return true;
	if (!x->own) {
		if (http_reach_instance(c))
			return true;
		http_send_request(c);
		http_parse_answer(c);
		if (c->state != HTTP_TALKING)
			return true;
	}
	http_send_answer(c);
	if (c->state == HTTP_TALKING && !http_half_pending(&x->answer)) {
		if (x->switched)
			begin_tunnel(c);
		else if (x->answer.ended)
			end_exchange(c);
	}
	if (c->state != HTTP_TALKING)
		return true;
	return has_more(&x->request, x->halted) || has_more(&x->answer, x->switched) || http_read_client(c) ||
	       http_read_instance(c);
}

/* --- The end --- */

static bool finish(struct http_conversation *c)
{
	int err = side_finish(&c->client);

	c->finish_waits = err == -EAGAIN;
	c->finish_polls = err == -EBUSY;
	if (c->finish_polls)
		c->poll_ms = !c->poll_ms ? POLL_MS : c->poll_ms < POLL_MAX ? c->poll_ms * 2 : POLL_MAX;
	if (c->finish_waits || c->finish_polls) {
		if (c->now_ms - c->since_ms < c->service->said.body_ms)
			return false;
		http_over(c, true);
	} else if (!err && c->lingers) {
		http_enter(c, HTTP_LINGERING);
	} else {
		http_over(c, false);
	}
	return true;
}

static bool linger(struct http_conversation *c)
{
	struct buffer *buffer;
	ssize_t n = -ENOMEM;

	if (!c->client_readable || !c->reads_left--)
		return false;
	buffer = buffers_take(&c->shared->buffers);
	if (buffer) {
		n = side_read(&c->client, buffer->bytes, BUFFER_SIZE);
		buffers_give(&c->shared->buffers, buffer);
	}
	c->client_readable = n == BUFFER_SIZE || (n > 0 && side_has_pending(&c->client));
	if (n > 0) {
		c->dropped += (uint64_t)n;
		c->moved_ms = c->now_ms;
	}
	if (c->dropped > LINGER_BYTES || (n <= 0 && n != -EAGAIN))
		http_over(c, false);
	return n > 0;
}

static void end(struct http_conversation *c)
{
	event_del(&c->timer);
	http_room_leave(c);
	if (c->reaching)
		reach_abandon(c->reach);
	if (c->tunnel) {
		side_unwatch(&c->client);
		side_unwatch(&c->instance);
	} else {
		/* Who broke the protocol was sent an alert, which a RST might overtake. */
		if (c->reset && !c->client.refused)
			side_reset(&c->client);
		else
			side_close(&c->client);
		http_drop_instance(c, true);
	}
	http_drop_exchange(c);
}

/* --- Waiting --- */

static bool waits_for_client(const struct http_exchange *x)
{
	return http_half_pending(&x->answer) || (!x->request.ended && !x->halted && !http_half_pending(&x->request));
}

/* While request and answer are on their way. */
static int64_t talk_limit(const struct http_conversation *c)
{
	const struct rcxlb_http *said = &c->service->said;
	int64_t limit = said->answer_ms;

	/* An answer that has begun may pause, as events of a server do. */
	if (waits_for_client(c->exchange) || (c->exchange->answer.begun && limit < said->body_ms))
		limit = said->body_ms;
	/* Nobody can tell whether a client that has sent its end still listens. */
	if (c->client_ended && c->shared->limits.relay.half_closed_ms < limit)
		limit = c->shared->limits.relay.half_closed_ms;
	return limit;
}

static int64_t linger_limit(const struct http_conversation *c)
{
	int64_t silent = c->moved_ms + SILENT_MS, all = c->since_ms + LINGER_MS;

	return silent < all ? silent : all;
}

static int64_t deadline(const struct http_conversation *c)
{
	int64_t until;

	switch (c->state) {
	case HTTP_AWAITING:
	case HTTP_READING:
		until = c->state == HTTP_READING ? c->service->said.head_ms
			: c->requests		 ? KEEP_MS
						 : c->shared->limits.first_ms;
		until += c->since_ms;
		return c->instance.fd >= 0 && c->instance_ms < until ? c->instance_ms : until;
	case HTTP_SEEKING:
		return c->now_ms + SEEK_MS;
	case HTTP_PAUSING:
		return c->since_ms + PAUSE_MS;
	case HTTP_TALKING:
		return c->moved_ms + talk_limit(c);
	case HTTP_CLOSING:
		return c->finish_polls ? c->now_ms + c->poll_ms : c->since_ms + c->service->said.body_ms;
	case HTTP_LINGERING:
		return linger_limit(c);
	default:
		return NEVER;
	}
}

/* A timer that goes off too early costs less than one that is set anew for each request. */
static void set_timer(struct http_conversation *c)
{
	bool soon = c->has_more || c->postponed;
	int64_t until = soon ? c->now_ms : deadline(c);
	struct timeval after = { 0, 0 };

	if (until == NEVER || (c->armed_ms && c->armed_ms <= until))
		return;
	c->armed_ms = until;
	if (!soon)
		after = timeval_of_ms(until > c->now_ms ? until - c->now_ms : 1);
	event_add(&c->timer, &after);
}

static int watch(struct http_conversation *c)
{
	const struct http_exchange *x = c->exchange;
	bool read = !c->client_ended && !(x && x->request.in) && c->state != HTTP_CLOSING;
	bool write = (x && http_half_pending(&x->answer)) || c->finish_waits;
	int err = side_watch(&c->client, c->shared->base, side_events(&c->client, read, write), on_client, c);

	if (err)
		return err;
	/*
	 * What OpenSSL has read already no event tells of: the timer does. Not at once: a client that sends without end
	 * would leave no turn to other timers, and to whom nothing is known of yet.
	 */
	c->has_more = read && side_has_pending(&c->client);
	if (c->instance.fd < 0)
		return 0;
	read = !c->instance_ended && !(x && (x->answer.in || x->switched));
	write = x && !x->halted && http_half_pending(&x->request);
	return side_watch(&c->instance, c->shared->base, side_events(&c->instance, read, write), on_instance, c);
}

/* --- Turns --- */

/* One thing is done. False: there is nothing to do now. */
static bool step(struct http_conversation *c)
{
	switch (c->state) {
	case HTTP_AWAITING:
	case HTTP_READING:
		return take_request(c);
	case HTTP_SEEKING:
		return http_seek(c) || http_read_client(c);
	case HTTP_REACHING:
	case HTTP_PAUSING:
		return http_read_client(c);
	case HTTP_TALKING:
		return talk(c);
	case HTTP_CLOSING:
		return finish(c);
	case HTTP_LINGERING:
		return linger(c);
	default:
		return false;
	}
}

/* Does what there is to do. Only here a conversation ends. */
static void turn(struct http_conversation *c)
{
	c->turning = true;
	c->reads_left = TURN_READS;
	c->exchanges_left = TURN_EXCHANGES;
	c->postponed = false;
	while (step(c))
		;
	c->turning = false;
	if (c->state != HTTP_OVER && (c->makes_room || watch(c)))
		http_over(c, true);
	if (c->state != HTTP_OVER) {
		http_room_place(c);
		set_timer(c);
		return;
	}
	end(c);
	c->ended(c, c->tunnel);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct http_conversation *c = arg;
	bool crossed = c->client.read_blocked || c->client.write_blocked;

	(void)fd;
	c->now_ms = clock_ms();
	if (c->client.watching == SIDE_WATCH_ERRORS) {
		if (side_error(&c->client))
			http_over(c, true);
	} else {
		c->client_readable = (what & EV_READ) || crossed;
		if (c->exchange && ((what & EV_WRITE) || crossed))
			c->exchange->answer.blocked = false;
	}
	turn(c);
}

static void on_instance(evutil_socket_t fd, short what, void *arg)
{
	struct http_conversation *c = arg;

	(void)fd;
	c->now_ms = clock_ms();
	/* An error is found when what came before it has been dealt with. */
	if (c->instance.watching != SIDE_WATCH_ERRORS) {
		c->instance_readable = what & EV_READ;
		if (c->exchange && (what & EV_WRITE))
			c->exchange->request.blocked = false;
	}
	if (c->state == HTTP_AWAITING || c->state == HTTP_READING || c->state == HTTP_SEEKING)
		http_check_instance(c);
	turn(c);
}

/* The time for what the state waits for is over. */
static void expire(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	switch (c->state) {
	case HTTP_AWAITING:
	case HTTP_READING:
		http_give_up_head(c, 408);
		return;
	case HTTP_PAUSING:
		http_enter(c, HTTP_TALKING);
		return;
	case HTTP_TALKING:
		if (x->answer.begun || c->client_ended)
			http_cut(c);
		else
			http_answer(c, waits_for_client(x) ? 408 : 504);
		return;
	case HTTP_LINGERING:
		http_over(c, false);
		return;
	default:
		return;
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http_conversation *c = arg;
	bool idle = c->state == HTTP_AWAITING || c->state == HTTP_READING;

	(void)fd;
	(void)what;
	c->armed_ms = 0;
	c->now_ms = clock_ms();
	c->client_readable = c->client_readable || c->has_more;
	if (idle && c->instance.fd >= 0 && c->instance_ms <= c->now_ms)
		http_drop_instance(c, false);
	/* A request that has come is not too late. */
	if (!c->postponed && deadline(c) <= c->now_ms)
		expire(c);
	turn(c);
}

void http_conversation_reached(struct http_conversation *c, int fd)
{
	c->reaching = false;
	c->now_ms = clock_ms();
	if (fd >= 0) {
		side_init_plain(&c->instance, fd);
		http_enter(c, HTTP_TALKING);
		c->moved_ms = c->now_ms;
	} else {
		http_answer(c, fd == -ETIMEDOUT ? 504 : 503);
	}
	if (!c->turning)
		turn(c);
}

static void write_address(const struct rcxlb_endpoint *endpoint, char *to, socklen_t size)
{
	if (endpoint_is_ipv4(endpoint))
		inet_ntop(AF_INET, endpoint->address + 12, to, size);
	else
		inet_ntop(AF_INET6, endpoint->address, to, size);
}

void http_conversation_start(struct http_conversation *c)
{
	c->instance.fd = -1;
	c->trusted = http_service_trusts(c->service, &c->who->address);
	write_address(&c->who->address, c->address, sizeof(c->address));
	c->now_ms = clock_ms();
	http_enter(c, HTTP_AWAITING);
	evtimer_assign(&c->timer, c->shared->base, on_timer, c);
	if (watch(c)) {
		http_over(c, true);
		event_active(&c->timer, EV_TIMEOUT, 0);
	}
	http_room_place(c);
	set_timer(c);
}

void http_conversation_dismiss(struct http_conversation *c)
{
	c->now_ms = clock_ms();
	c->makes_room = true;
	expire(c);
	turn(c);
}

void http_conversation_abandon(struct http_conversation *c)
{
	http_over(c, true);
	end(c);
}
