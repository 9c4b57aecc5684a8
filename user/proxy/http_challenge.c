// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_steps.h"

#include <string.h>

#include "core/http.h"

#define LOOKS_MS 3000 /* nobody looks into the folder any more */

static struct http1_span token_of(const struct http_exchange *x)
{
	struct http1_span path = x->request.parser.head.path;
	const char *query;

	path.at += sizeof(HTTP_CHALLENGE_PATH) - 1;
	path.length -= sizeof(HTTP_CHALLENGE_PATH) - 1;
	query = memchr(path.at, '?', path.length);
	if (query)
		path.length = (size_t)(query - path.at);
	return path;
}

bool http_begin_challenge(struct http_conversation *c)
{
	struct http_exchange *x = c->exchange;
	const struct http1_head *head = &x->request.parser.head;

	if (!c->service->challenges || head->slash ||
	    !http_has_challenge(&c->service->said, head->path.at, head->path.length) ||
	    !(x->asked.head || http1_equal(head->method, HTTP1_SPAN("GET"))))
		return false;
	/* Where a body follows, nobody reads it. */
	x->halted = head->framing != HTTP1_NO_BODY;
	c->looks = http_challenges_looks(c->service->challenges);
	http_enter(c, HTTP_SEEKING);
	return true;
}

bool http_seek(struct http_conversation *c)
{
	const struct http_challenges *challenges = c->service->challenges;
	/* Before the text: a look that ends meanwhile is not taken for one whose outcome was seen. */
	uint32_t looks = http_challenges_looks(challenges) - c->looks;
	struct http1_span token = token_of(c->exchange);
	char text[HTTP_CHALLENGE_TEXT];
	bool late = c->now_ms - c->since_ms > LOOKS_MS;
	int length;

	if (!http_challenge_is_token(token)) {
		http_answer_here(c, 404, (struct http1_span){ NULL, 0 });
		return true;
	}
	length = http_challenges_find(challenges, c->service->said.acme, token, text);
	if (length > 0)
		http_answer_here(c, 200, (struct http1_span){ text, (size_t)length });
	else if (late || (length != HTTP_CHALLENGES_BUSY && looks >= HTTP_CHALLENGE_LOOKS))
		http_answer_here(c, 404, (struct http1_span){ NULL, 0 });
	return c->state != HTTP_SEEKING;
}
