// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_steps.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "proxy/http1_answer.h"

#define RETRY_AFTER_S 5
#define STATUS_LEFT   499 /* in the access log: the client left before the answer, as nginx has it */

void http_enter(struct http_conversation *c, enum http_state state)
{
	c->state = state;
	c->since_ms = c->now_ms;
}

void http_over(struct http_conversation *c, bool reset)
{
	c->reset = reset;
	http_enter(c, HTTP_OVER);
}

void http_close_client(struct http_conversation *c, bool lingers)
{
	c->lingers = lingers && !c->client_ended && !c->makes_room;
	/* Closing says it too, where nothing but a FIN is to be said. */
	if (!c->lingers && c->client.kind == SIDE_PLAIN)
		http_over(c, false);
	else
		http_enter(c, HTTP_CLOSING);
}

void http_leave(struct http_conversation *c)
{
	if (!c->requests)
		c->counters->sum.silent++;
	http_drop_instance(c, false);
	http_close_client(c, false);
}

void http_cut(struct http_conversation *c)
{
	c->counters->sum.answers_cut++;
	http_over(c, true);
}

void http_count_answer(struct http_conversation *c, int status)
{
	c->counters->sum.answers[status / 100 - 1]++;
	if (status != 100)
		c->exchange->status = status;
}

void http_note(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;

	/* Of a request that is refused as much as was read. */
	if (!c->service->access || x->note || !x->request.head || !x->request.parser.head.method.length)
		return;
	x->note = buffers_take(&c->shared->buffers);
	if (x->note)
		http_log_note(&x->request.parser.head, http_access_is_json(c->service->access),
			      (struct http_log_note *)x->note->bytes);
}

static void count_time(struct rcxlb_tally *tally, uint32_t ms)
{
	static const uint32_t bounds[] = { RCXLB_TOOK_MS };
	unsigned int at = 0;

	while (at < sizeof(bounds) / sizeof(bounds[0]) && ms > bounds[at])
		at++;
	tally->took[at]++;
	tally->took_ms += ms;
}

void http_record(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	struct http_log_entry entry = {
		.client = c->address,
		.took_ms = (uint32_t)(c->now_ms - x->came_ms),
		.status = x->status ? x->status : STATUS_LEFT,
		.bytes = x->sent > x->heads ? x->sent - x->heads : 0,
	};

	if (x->status)
		count_time(&c->counters->sum, entry.took_ms);
	entry.note = x->note ? (struct http_log_note *)x->note->bytes : NULL;
	if (c->service->access && (x->note || x->status))
		http_access_write(c->service->access, &entry, &c->counters->sum.access_lines_lost);
	if (x->note)
		buffers_give(&c->shared->buffers, x->note);
	x->note = NULL;
	x->status = 0;
}

void http_drop_instance(struct http_conversation *c, bool reset)
{
	if (c->instance.fd < 0)
		return;
	if (reset)
		side_reset(&c->instance);
	else
		side_close(&c->instance);
	c->instance_ended = c->instance_readable = false;
	reach_give_back(c->reach);
}

void http_drop_exchange(struct http_conversation *c)
{
	if (c->exchange) {
		http_record(c);
		http_exchanges_give(&c->shared->exchanges, c->exchange, &c->shared->buffers);
	}
	c->exchange = NULL;
}

/* How many of the bytes about to be counted as written belong to the head. */
static size_t head_of(const struct http_exchange *x, size_t size)
{
	const char *begin = (const char *)x->answer.out->bytes + x->answer.out->end;
	const char *end = memmem(begin, size, "\r\n\r\n", 4);

	return end ? (size_t)(end - begin) + 4 : size;
}

/* A whole answer of the worker's own was written, or not (`n` is -errno). */
static void own(struct http_conversation *c, ssize_t n, int status, bool keep)
{
	struct http_exchange *x = c->exchange;

	if (n < 0) {
		http_over(c, true);
		return;
	}
	x->heads += head_of(x, (size_t)n);
	http_half_wrote(&x->answer, (size_t)n);
	x->reply = (struct http1_reply){ .keep = keep };
	x->own = x->answer.begun = true;
	x->answer.ended = !x->rest.length;
	http_count_answer(c, status);
	c->counters->sum.own_answers[http_own_index(status)]++;
	http_enter(c, HTTP_TALKING);
}

/* Was HEAD asked for? Of a request that is refused, as far as it was read. */
static bool asks_head(const struct http_exchange *x)
{
	return x->asked.head || (x->request.head && http1_equal(x->request.parser.head.method, HTTP1_SPAN("HEAD")));
}

void http_answer(struct http_conversation *c, int status)
{
	struct http_exchange *x = c->exchange;
	struct buffers *buffers = &c->shared->buffers;
	const struct http_page *page = http_service_page(c->service, status);
	struct http1_answer answer = {
		.status = status,
		.retry_after = status == 503 ? RETRY_AFTER_S : 0,
		.head = asks_head(x),
		.keep = x->request.ended && x->asked.keep && !c->shared->draining,
		.http10 = !x->asked.minor,
		.date = time(NULL),
	};
	ssize_t n = -ENOMEM;
	size_t room;
	char *to;

	if (page) {
		answer.type = page->type;
		answer.size = page->size;
	}
	x->halted = true;
	http_note(c);
	/* Half of an interim answer cannot be taken back. */
	if (http_half_pending(&x->answer) && (x->answer.offered || x->answer.out->start)) {
		http_cut(c);
		return;
	}
	if (c->reaching)
		reach_abandon(c->reach);
	c->reaching = false;
	http_drop_instance(c, true);
	http_half_discard(&x->request, buffers);
	http_half_drop_input(&x->answer, buffers);
	http_half_reset(&x->answer, buffers);
	x->heads = x->sent; /* of interim answers: nothing else was sent */
	to = http_half_room(&x->answer, buffers, &room);
	if (to)
		n = http1_answer_write(&answer, to, room);
	if (page && !answer.head)
		x->rest = (struct http1_span){ page->bytes, page->size };
	own(c, n, status, answer.keep);
}

void http_answer_here(struct http_conversation *c, int status, struct http1_span body)
{
	struct http_exchange *x = c->exchange;
	struct http1_answer answer = {
		.status = status,
		.head = x->asked.head,
		.keep = x->request.ended && x->asked.keep && !x->halted && !c->shared->draining,
		.http10 = !x->asked.minor,
		.type = body.length ? "application/octet-stream" : NULL, /* RFC 8555 8.3 */
		.size = body.length,
		.date = time(NULL),
	};
	ssize_t n = -ENOMEM;
	size_t room;
	char *to = http_half_room(&x->answer, &c->shared->buffers, &room);

	if (to)
		n = http1_answer_write(&answer, to, room);
	if (n >= 0 && !answer.head && body.length) {
		memcpy(to + n, body.at, body.length);
		n += (ssize_t)body.length;
	}
	x->halted = !answer.keep;
	own(c, n, status, answer.keep);
}

void http_give_up_head(struct http_conversation *c, int status)
{
	if (c->state == HTTP_AWAITING || http1_end_of_input(&c->exchange->request.parser) == HTTP1_CLOSED)
		http_leave(c);
	else
		http_answer(c, status);
}

void http_redirect(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	const struct http1_head *head = &x->request.parser.head;
	bool keep = x->asked.keep && head->framing == HTTP1_NO_BODY && !c->shared->draining;
	ssize_t n = -ENOMEM;
	size_t room;
	char *to = http_half_room(&x->answer, &c->shared->buffers, &room);

	if (to)
		n = http1_redirect_write(head, keep, time(NULL), to, room);
	x->halted = !keep;
	own(c, n, http1_redirect_status(head), keep);
}
