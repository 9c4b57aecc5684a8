// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_message.h"

#include <string.h>

enum state {
	IDLE,  /* no answer is expected */
	START, /* of a message: the head before may still be looked at */
	HEAD,
	NO_BODY,
	LENGTH,
	CHUNKED,
	UNTIL_CLOSE,
	HELD,
	CLOSED,
	FAILED,
};

static void init(struct http1_parser *parser, char *buffer, const struct http1_limits *limits, bool answer)
{
	/* All but the tables of the head, which are read as far as their counts go: they are most of a parser. */
	memset(parser, 0, offsetof(struct http1_parser, head));
	parser->head.text = buffer;
	parser->head.answer = answer;
	http1_head_reset(&parser->head);
	parser->status = 0;
	parser->why = NULL;
	parser->limits = *limits;
	/* A table of fixed size hangs on it. */
	if (parser->limits.fields > HTTP1_MAX_FIELDS)
		parser->limits.fields = HTTP1_MAX_FIELDS;
	parser->state = answer ? IDLE : START;
}

void http1_requests_init(struct http1_parser *parser, char *buffer, const struct http1_limits *limits, bool secure)
{
	init(parser, buffer, limits, false);
	parser->secure = secure;
}

void http1_answers_init(struct http1_parser *parser, char *buffer, const struct http1_limits *limits)
{
	init(parser, buffer, limits, true);
}

void http1_answer_expect(struct http1_parser *parser, const struct http1_asked *asked)
{
	parser->asked = *asked;
	if (parser->state == IDLE)
		parser->state = START;
}

void http1_resume(struct http1_parser *parser)
{
	if (parser->state == HELD && !parser->head.answer)
		parser->state = parser->head.keep ? START : CLOSED;
}

static struct http1_event fail(struct http1_parser *parser, int status, const char *why)
{
	parser->status = parser->head.answer ? 502 : status;
	parser->why = why;
	parser->state = FAILED;
	return (struct http1_event){ .kind = HTTP1_FAILED };
}

/* The head is complete: what comes next? */
static struct http1_event begin(struct http1_parser *parser, size_t used)
{
	struct http1_head *head = &parser->head;
	int status = head->answer ? http1_answer_meaning(head, &parser->asked)
				  : http1_request_meaning(head, &parser->limits, parser->secure);

	if (status)
		return fail(parser, status, head->why);
	if (head->answer && head->status < 200 && head->status != 101) {
		parser->state = START;
		return (struct http1_event){ .kind = HTTP1_INTERIM, .used = used };
	}
	switch (head->framing) {
	case HTTP1_LENGTH:
		parser->state = LENGTH;
		parser->left = head->content_length;
		break;
	case HTTP1_CHUNKED:
		parser->state = CHUNKED;
		http1_chunked_reset(&parser->chunked);
		break;
	case HTTP1_UNTIL_CLOSE:
		parser->state = UNTIL_CLOSE;
		break;
	case HTTP1_SWITCHED:
		parser->state = HELD;
		break;
	case HTTP1_NO_BODY:
		parser->state = NO_BODY;
		break;
	}
	return (struct http1_event){ .kind = HTTP1_HEAD, .used = used };
}

static struct http1_event take_head(struct http1_parser *parser, const char *input, size_t length)
{
	size_t used;
	int status;

	if (!length)
		return (struct http1_event){ .kind = HTTP1_MORE };
	if (parser->state == START) {
		http1_head_reset(&parser->head);
		parser->state = HEAD;
	}
	status = http1_head_take(&parser->head, &parser->limits, input, length, &used);
	if (status)
		return fail(parser, status, parser->head.why);
	if (!parser->head.complete)
		return (struct http1_event){ .kind = HTTP1_MORE, .used = used };
	return begin(parser, used);
}

static struct http1_event end(struct http1_parser *parser, size_t used)
{
	const struct http1_head *head = &parser->head;

	if (head->upgrade && !head->answer)
		parser->state = HELD;
	else if (!head->keep)
		parser->state = CLOSED;
	else
		parser->state = head->answer ? IDLE : START;
	return (struct http1_event){ .kind = HTTP1_END, .used = used };
}

static struct http1_event take_length(struct http1_parser *parser, const char *input, size_t length)
{
	size_t data = parser->left < length ? parser->left : length;

	if (!parser->left)
		return end(parser, 0);
	if (!length)
		return (struct http1_event){ .kind = HTTP1_MORE };
	parser->left -= data;
	return (struct http1_event){ .kind = HTTP1_BODY, .used = data, .body = { input, data } };
}

static struct http1_event take_chunked(struct http1_parser *parser, const char *input, size_t length)
{
	struct http1_event event = {};
	int status = 0;

	switch (http1_chunked_next(&parser->chunked, parser->limits.body, input, length, &event.used, &event.body,
				   &status)) {
	case HTTP1_CHUNK_DATA:
		event.kind = HTTP1_BODY;
		return event;
	case HTTP1_CHUNK_END:
		return end(parser, event.used);
	case HTTP1_CHUNK_FAILED:
		return fail(parser, status, parser->chunked.why);
	default:
		event.kind = HTTP1_MORE;
		return event;
	}
}

struct http1_event http1_next(struct http1_parser *parser, const char *input, size_t length)
{
	switch (parser->state) {
	case IDLE:
		if (length)
			return fail(parser, 502, "bytes that answer no request (RFC 9112 9.2)");
		return (struct http1_event){ .kind = HTTP1_MORE };
	case START:
	case HEAD:
		return take_head(parser, input, length);
	case NO_BODY:
		return end(parser, 0);
	case LENGTH:
		return take_length(parser, input, length);
	case CHUNKED:
		return take_chunked(parser, input, length);
	case UNTIL_CLOSE:
		if (!length)
			return (struct http1_event){ .kind = HTTP1_MORE };
		return (struct http1_event){ .kind = HTTP1_BODY, .used = length, .body = { input, length } };
	case HELD:
		return (struct http1_event){ .kind = HTTP1_HELD };
	case CLOSED:
		return (struct http1_event){ .kind = HTTP1_CLOSED };
	default:
		return (struct http1_event){ .kind = HTTP1_FAILED };
	}
}

/* Nothing of the next message was seen: but one empty line may have been. */
static bool between(const struct http1_parser *parser)
{
	const struct http1_head *head = &parser->head;

	if (parser->state == HEAD && !head->answer)
		return !head->started && !head->length && !head->cr;
	return parser->state == START && !head->answer;
}

enum http1_kind http1_end_of_input(struct http1_parser *parser)
{
	switch (parser->state) {
	case UNTIL_CLOSE:
	case NO_BODY:
		return end(parser, 0).kind;
	case IDLE:
	case HELD:
	case CLOSED:
		return HTTP1_CLOSED;
	case FAILED:
		return HTTP1_FAILED;
	default:
		break;
	}
	if (between(parser)) {
		parser->state = CLOSED;
		return HTTP1_CLOSED;
	}
	if (parser->state == LENGTH && !parser->left)
		return end(parser, 0).kind;
	return fail(parser, 400, "a message that was cut off (RFC 9112 8)").kind;
}
