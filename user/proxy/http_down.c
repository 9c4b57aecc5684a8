// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_steps.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "proxy/http_affinity.h"

static void tell_answer(const struct http_conversation *c, int status, int by)
{
	const struct worker_backends *backends = &c->shared->backends;

	if (backends->answered)
		backends->answered(backends->data, c->who->service, &c->reach->backend, c->instance.fd,
				   (unsigned int)(status / 100 - 1), by);
}

/* An answer of which the client has nothing yet. */
static bool take_back(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	/* An interim answer before it may be on its way. */
	if (x->told || x->answer.offered || x->answer.out->start)
		return false;
	c->counters->sum.answers[x->status / 100 - 1]--;
	tell_answer(c, x->status, -1);
	return true;
}

/*
 * The instance's connection is gone, or it does not speak HTTP. The request may go to another one when that does no
 * harm.
 */
static void fail_answer(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	if (x->answer.begun && !take_back(c)) {
		http_cut(c);
	} else if (http_exchange_may_retry(x)) {
		http_drop_instance(c, true);
		http_half_rewind(&x->request);
		x->retried = true;
		x->halted = x->reached = false;
		c->counters->sum.request_retries++;
		http_enter(c, HTTP_PAUSING);
	} else {
		http_answer(c, 502);
	}
}

/* --- Parsing --- */

static void pass_interim(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	size_t room;
	char *to = http_half_room(&x->answer, &c->shared->buffers, &room);
	ssize_t n = to ? http1_interim_to_client(&x->answer.parser.head, &x->asked, to, room) : 0;

	/* Without room for it it is left out: nobody depends on one. */
	if (n <= 0)
		return;
	http_half_wrote(&x->answer, (size_t)n);
	x->heads += (size_t)n;
	http_count_answer(c, 100);
	tell_answer(c, 100, 1);
}

static int64_t kept_for(const struct http_exchange *x)
{
	int seconds = http_exchange_keep_alive(x);

	return seconds < 0 ? HTTP_INSTANCE_MS : (int64_t)seconds * 1000 - HTTP_HURRY_MS;
}

/* Before the empty line that ends the head, beside the instance's own cookies. Returns the bytes of the head. */
static ssize_t add_cookie(const struct http_conversation *c, char *to, size_t size, size_t room)
{
	char field[HTTP_AFFINITY_ROOM];
	size_t length = http_affinity_write(c->exchange->affinity, c->secure, field);

	if (size + length > room)
		return -ENOSPC;
	memcpy(to + size - 2, field, length);
	to[size + length - 2] = '\r';
	to[size + length - 1] = '\n';
	return (ssize_t)(size + length);
}

/* The head of the final answer is there. */
static void pass_head(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	const struct http1_head *head = &x->answer.parser.head;
	bool close = !x->request.ended || c->client_ended || c->shared->draining;
	size_t room;
	char *to = http_half_room(&x->answer, &c->shared->buffers, &room);
	ssize_t n = -ENOMEM;

	x->reply = http1_reply_to(head, &x->asked, close);
	x->reply.date = time(NULL);
	if (to)
		n = http1_to_client(head, &x->asked, &x->reply, NULL, 0, to, room);
	if (n >= 0 && x->newcomer)
		n = add_cookie(c, to, (size_t)n, room);
	if (n < 0) {
		http_answer(c, 502);
		return;
	}
	http_half_wrote(&x->answer, (size_t)n);
	x->heads += (size_t)n;
	x->answer.framing = x->reply.framing;
	x->switched = head->framing == HTTP1_SWITCHED;
	x->request.whole = false;
	c->kept_for_ms = head->keep ? kept_for(x) : 0;
	http_half_drop_head(&x->answer, &c->shared->buffers);
	http_count_answer(c, head->status);
	tell_answer(c, head->status, 1);
}

void http_parse_answer(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	while (x->heard && !x->own && !x->answer.ended && !x->switched && c->state == HTTP_TALKING) {
		struct http1_event event;

		/* Interim answers go first: an answer of our own could not take their place in mid-sentence. */
		if (!x->answer.begun && x->answer.blocked)
			return;
		event = http_half_next(&x->answer, &c->shared->buffers);
		if (event.kind == HTTP1_MORE)
			return;
		if (event.kind == HTTP1_INTERIM)
			pass_interim(c);
		else if (event.kind == HTTP1_HEAD)
			pass_head(c);
		else if (event.kind == HTTP1_FAILED)
			fail_answer(c);
	}
}

/* --- Reading and writing --- */

/* Something has come. */
static void hear(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	if (!x->heard && !http_half_begin_answer(&x->answer, &c->shared->buffers, &x->asked))
		http_answer(c, 503);
	x->heard = true;
}

bool http_read_instance(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	ssize_t n;

	if (!c->instance_readable || c->instance.fd < 0 || c->instance_ended || x->answer.in || x->switched ||
	    !c->reads_left)
		return false;
	/* A kept connection, while the worker answers itself. */
	if (x->own) {
		http_check_instance(c);
		return false;
	}
	c->reads_left--;
	n = http_half_read(&x->answer, &c->shared->buffers, &c->instance);
	c->instance_readable = n == BUFFER_SIZE;
	if (n == -EAGAIN)
		return false;
	c->moved_ms = c->now_ms;
	if (n > 0) {
		hear(c);
		return true;
	}
	c->instance_ended = true;
	/* The client has not taken all of it yet. */
	if (x->answer.ended)
		return true;
	/* Behind a RST an end of file proves nothing. */
	if (n < 0 || !x->heard || x->halted || http_half_end(&x->answer, &c->shared->buffers) != HTTP1_END)
		fail_answer(c);
	return true;
}

/* What there is room for of a page, the body of the worker's own answer. False: no memory. */
static bool put_page(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	size_t room;
	char *to = http_half_room(&x->answer, &c->shared->buffers, &room);

	if (!to)
		return false;
	if (room > x->rest.length)
		room = x->rest.length;
	memcpy(to, x->rest.at, room);
	http_half_wrote(&x->answer, room);
	x->rest.at += room;
	x->rest.length -= room;
	x->answer.ended = !x->rest.length;
	return true;
}

void http_send_answer(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	__u64 *total = &c->counters->sum.bytes_down, before = *total;
	int err = 0;

	x->told = x->told || (x->answer.begun && http_half_pending(&x->answer));
	do {
		if (x->rest.length && !put_page(c))
			err = -ENOMEM;
		else
			err = http_half_send(&x->answer, &c->shared->buffers, &c->client, total);
	} while (!err && x->rest.length);
	x->sent += *total - before;
	if (*total != before)
		c->moved_ms = c->now_ms;
	if (err && err != -EAGAIN)
		http_over(c, true);
}
