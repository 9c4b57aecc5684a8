// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_exchange.h"

#include <limits.h>
#include <stdlib.h>

#define KEPT_MAX 64

struct http_exchange *http_exchanges_take(struct http_exchanges *exchanges)
{
	struct http_exchange *exchange = exchanges->free;

	if (!exchange)
		return calloc(1, sizeof(*exchange));
	exchanges->free = exchange->next;
	exchanges->free_count--;
	return exchange;
}

void http_exchanges_give(struct http_exchanges *exchanges, struct http_exchange *exchange, struct buffers *buffers)
{
	http_half_drop_input(&exchange->request, buffers);
	http_half_reset(&exchange->request, buffers);
	http_half_drop_input(&exchange->answer, buffers);
	http_half_reset(&exchange->answer, buffers);
	if (exchanges->free_count >= KEPT_MAX) {
		free(exchange);
		return;
	}
	exchange->next = exchanges->free;
	exchanges->free = exchange;
	exchanges->free_count++;
}

void http_exchanges_drain(struct http_exchanges *exchanges)
{
	while (exchanges->free) {
		struct http_exchange *next = exchanges->free->next;

		free(exchanges->free);
		exchanges->free = next;
	}
	exchanges->free_count = 0;
}

bool http_exchange_begin(struct http_exchange *exchange, struct buffers *buffers, const struct http1_limits *limits,
			 bool secure)
{
	exchange->asked = (struct http1_asked){ .minor = 1 };
	exchange->idempotent = exchange->retried = exchange->reached = exchange->halted = false;
	exchange->heard = exchange->told = exchange->own = exchange->switched = false;
	/* Surplus bytes of an instance are no answer to what follows. */
	http_half_drop_input(&exchange->answer, buffers);
	exchange->status = 0;
	exchange->rest = (struct http1_span){ NULL, 0 };
	exchange->affinity = 0;
	exchange->newcomer = false;
	exchange->sent = exchange->heads = 0;
	http_half_reset(&exchange->answer, buffers);
	return http_half_begin_request(&exchange->request, buffers, limits, secure);
}

bool http_exchange_may_retry(const struct http_exchange *exchange)
{
	return exchange->idempotent && !exchange->retried && !exchange->heard && exchange->request.whole;
}

/* Of "timeout=5, max=100". */
static int read_timeout(struct http1_span list)
{
	const struct http1_span name = HTTP1_SPAN("timeout=");
	struct http1_span element;
	uint64_t seconds;

	while (http1_list_next(&list, &element)) {
		if (element.length <= name.length ||
		    !http1_equal_nocase((struct http1_span){ element.at, name.length }, name))
			continue;
		element.at += name.length;
		element.length -= name.length;
		if (http1_decimal(element, &seconds))
			return seconds < INT_MAX ? (int)seconds : INT_MAX;
	}
	return -1;
}

int http_exchange_keep_alive(const struct http_exchange *exchange)
{
	const struct http1_head *head = &exchange->answer.parser.head;

	for (unsigned int i = 0; i < head->count; i++)
		if (head->fields[i].id == HTTP1_KEEP_ALIVE && !head->fields[i].odd)
			return read_timeout(http1_field_value(head, &head->fields[i]));
	return -1;
}
