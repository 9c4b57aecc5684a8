/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The head of a message: its lines are collected in the caller's buffer, and each is parsed when its end has come. A
 * head is refused at the first byte that cannot be right, so it does not matter in which pieces it comes. Pure.
 */
#ifndef PROXY_HTTP1_HEAD_H
#define PROXY_HTTP1_HEAD_H

#include "proxy/http1_names.h"
#include "proxy/http1_text.h"

/* With what the proxy adds, a head must stay below the 16 KiB that Node takes. */
#define HTTP1_MAX_HEAD	  (15 << 10)
#define HTTP1_MAX_FIELDS  128
#define HTTP1_MAX_OPTIONS 32 /* in Connection */
#define HTTP1_MAX_METHOD  32

struct http1_limits {
	uint32_t head;	 /* bytes, with all line ends: 64 to HTTP1_MAX_HEAD */
	uint16_t fields; /* lines: 1 to HTTP1_MAX_FIELDS */
	uint16_t target; /* bytes of the request target */
	uint64_t body;	 /* bytes of content; UINT64_MAX: any number */
};

/* Head and fields as large as can be, a target of 8 KiB (RFC 9112 3 asks for 8000), any body. */
extern const struct http1_limits http1_default_limits;

/* How the end of a body is found, RFC 9112 6.3. */
enum http1_framing {
	HTTP1_NO_BODY,
	HTTP1_LENGTH, /* Content-Length */
	HTTP1_CHUNKED,
	HTTP1_UNTIL_CLOSE, /* answers only */
	HTTP1_SWITCHED,	   /* a 101: what follows is another protocol's */
};

/* Places in the head's text. */
struct http1_field {
	uint16_t name, name_length;
	uint16_t value, value_length; /* without OWS around it */
	uint8_t id;		      /* enum http1_name */
	bool odd;		      /* see http1_name_of() */
};

struct http1_option {
	uint16_t at, length;
};

struct http1_head {
	/* The caller's: limits.head bytes, which must stay where they are until the head was dealt with. */
	char *text;
	bool answer;

	/* Collecting. */
	uint32_t length; /* of the text: the lines without their ends */
	uint32_t bytes;	 /* received, with line ends */
	uint32_t line;	 /* where in the text the current line begins */
	bool skipped, started, cr, complete;

	/* What was read. Spans lie in the text. */
	struct http1_span method, target, reason;
	uint16_t status;
	uint8_t minor; /* HTTP/1.minor: 0 or 1 */
	uint16_t count;
	struct http1_field fields[HTTP1_MAX_FIELDS];

	/* What it means: http1_meaning.h. */
	struct http1_span path; /* for the instance: origin form or `*` */
	bool slash;		/* `path` lacks its first slash */
	struct http1_span host;
	enum http1_framing framing;
	bool has_length; /* `content_length` was given; with HEAD and 304 without there being a body */
	uint64_t content_length;
	uint16_t option_count;
	struct http1_option options[HTTP1_MAX_OPTIONS]; /* the names in Connection */
	bool keep;    /* the connection may be used again after this message, RFC 9112 9.3 */
	bool upgrade; /* to websocket: asked for by a request, said by an answer */
	bool expect;  /* 100-continue */

	/* Why it is refused: a sentence. */
	const char *why;
};

/* Says why in the head (or whatever has a `why`), and is the status. */
#define http1_refused(to, status, sentence) ((to)->why = (sentence), (status))

/* Begins a new head in the same buffer. */
void http1_head_reset(struct http1_head *head);

/*
 * Takes bytes up to the end of the head: head->complete says that it was reached. *used is how many. Returns 0, or the
 * status to refuse it with: 400, 414, 431, 501 or 505. For an answer every one of them means 502.
 */
int http1_head_take(struct http1_head *head, const struct http1_limits *limits, const char *input, size_t length,
		    size_t *used);

static inline struct http1_span http1_field_name(const struct http1_head *head, const struct http1_field *field)
{
	return (struct http1_span){ head->text + field->name, field->name_length };
}

static inline struct http1_span http1_field_value(const struct http1_head *head, const struct http1_field *field)
{
	return (struct http1_span){ head->text + field->value, field->value_length };
}

#endif
