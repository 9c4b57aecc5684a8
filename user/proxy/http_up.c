// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_steps.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/http.h"
#include "proxy/http1_to_instance.h"
#include "proxy/http_affinity.h"

/* --- Parsing --- */

static bool is_idempotent(struct http1_span method)
{
	static const struct http1_span methods[] = {
		{ "GET", 3 }, { "HEAD", 4 }, { "OPTIONS", 7 }, { "PUT", 3 }, { "DELETE", 6 }, { "TRACE", 5 },
	};

	for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++)
		if (http1_equal(method, methods[m]))
			return true;
	return false;
}

static ssize_t write_head(struct http_conversation *c)
{
	struct http_half *half = &c->exchange->request;
	const struct http1_arrival arrival = {
		.client = { c->address, strlen(c->address) },
		.port = c->who->dialled.port,
		.secure = c->secure,
		.trusted = c->trusted,
		.set = c->service->set,
		.set_count = c->service->set_count,
	};
	size_t room;
	char *to = http_half_room(half, &c->shared->buffers, &room);

	if (!to)
		return -ENOMEM;
	return http1_to_instance(&half->parser.head, &arrival, to, room < HTTP1_HEAD_ROOM ? room : HTTP1_HEAD_ROOM);
}

/* Who has no cookie gets one. A trusted proxy's connection carries requests of several clients. */
static void recognize(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	if (!(c->service->said.flags & RCXLB_HTTP_COOKIE))
		return;
	x->affinity = http_affinity_read(&x->request.parser.head);
	x->newcomer = !x->affinity;
	if (x->newcomer && (!c->affinity || c->trusted) &&
	    getrandom(&c->affinity, sizeof(c->affinity), 0) != sizeof(c->affinity))
		c->affinity = 0;
	if (x->newcomer)
		x->affinity = c->affinity;
	x->newcomer = x->newcomer && x->affinity;
}

/* The head of a request is complete. */
static void accept_request(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	const struct http1_head *head = &x->request.parser.head;
	ssize_t n;

	c->requests++;
	c->counters->sum.requests++;
	x->asked = http1_asked(head);
	x->idempotent = is_idempotent(head->method);
	x->request.framing = head->framing;
	x->service = http_routed(&c->service->said, head->path.at, head->path.length, c->who->service);
	recognize(c);
	http_note(c);
	if (http_begin_challenge(c))
		return;
	if (c->service->said.flags & RCXLB_HTTP_REDIRECT && x->service == c->who->service) {
		http_redirect(c);
		return;
	}
	n = write_head(c);
	if (n < 0) {
		http_answer(c, n == -ENOSPC ? 431 : 503);
		return;
	}
	http_half_wrote(&x->request, (size_t)n);
	http_half_drop_head(&x->request, &c->shared->buffers);
	x->request.whole = x->idempotent;
	http_enter(c, HTTP_TALKING);
}

void http_parse_request(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	while (!x->request.ended && !x->halted) {
		struct http1_event event = http_half_next(&x->request, &c->shared->buffers);

		if (event.kind == HTTP1_MORE)
			return;
		if (event.kind == HTTP1_HEAD)
			accept_request(c);
		else if (event.kind == HTTP1_FAILED && x->answer.begun)
			http_cut(c);
		else if (event.kind == HTTP1_FAILED)
			http_answer(c, x->request.parser.status);
		if (c->state == HTTP_OVER)
			return;
	}
}

/* --- The client --- */

/* The client sends no more. */
static void at_client_end(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	c->client_ended = true;
	switch (c->state) {
	case HTTP_AWAITING:
	case HTTP_READING:
		http_give_up_head(c, 400);
		return;
	default:
		/* Who has said everything may still wait for the answer. */
		if (x->request.ended || x->halted)
			return;
		if (x->answer.begun)
			http_cut(c);
		else
			http_answer(c, 400);
	}
}

static bool begin_exchange(struct http_conversation *c)
{
	struct connections *shared = c->shared;

	c->exchange = http_exchanges_take(&shared->exchanges);
	return c->exchange && http_exchange_begin(c->exchange, &shared->buffers, &c->service->limits, c->secure);
}

bool http_read_client(struct http_conversation *c)
{
	ssize_t n;

	if (!c->client_readable || c->client_ended || (c->exchange && c->exchange->request.in) || !c->reads_left)
		return false;
	if (!c->exchange && !begin_exchange(c)) {
		http_over(c, true);
		return true;
	}
	c->reads_left--;
	n = http_half_read(&c->exchange->request, &c->shared->buffers, &c->client);
	/* A short read has taken what there was: the event loop tells when there is more. */
	c->client_readable = n == BUFFER_SIZE || (n > 0 && side_has_pending(&c->client));
	if (n > 0)
		c->moved_ms = c->now_ms;
	else if (n == 0)
		at_client_end(c);
	else if (n != -EAGAIN)
		http_over(c, true);
	return n != -EAGAIN;
}

/* --- The instance --- */

void http_check_instance(struct http_conversation *c)
{
	char byte;

	if (c->instance.fd >= 0 && side_read(&c->instance, &byte, 1) != -EAGAIN)
		http_drop_instance(c, false);
	c->instance_readable = false;
}

bool http_reach_instance(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	if (x->reached)
		return false;
	x->reached = true;
	c->moved_ms = c->now_ms;
	if (x->service != c->reach->client.service || x->affinity != c->reach->client.affinity)
		http_drop_instance(c, false);
	c->reach->client.service = x->service;
	c->reach->client.affinity = x->affinity;
	/*
	 * What must not be sent twice does not go where the instance has closed meanwhile, and nothing goes where what
	 * has come already would be taken for its answer.
	 */
	if (c->instance.fd >= 0 && (!x->idempotent || c->surplus))
		http_check_instance(c);
	if (c->instance.fd >= 0)
		return false;
	http_enter(c, HTTP_REACHING);
	c->reaching = true;
	reach_start(c->reach);
	return true;
}

void http_send_request(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	__u64 *total = &c->counters->sum.bytes_up, before = *total;
	int err;

	if (x->halted)
		return;
	err = http_half_send(&x->request, &c->shared->buffers, &c->instance, total);
	if (*total != before)
		c->moved_ms = c->now_ms;
	if (err && err != -EAGAIN) {
		/* It may have answered before. */
		x->halted = true;
		c->instance_readable = true;
	}
}
