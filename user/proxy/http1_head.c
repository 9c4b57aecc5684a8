// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_head.h"

#include <string.h>

#include "proxy/http1_chars.h"

const struct http1_limits http1_default_limits = {
	.head = HTTP1_MAX_HEAD,
	.fields = HTTP1_MAX_FIELDS,
	.target = 8 << 10,
	.body = UINT64_MAX,
};

void http1_head_reset(struct http1_head *head)
{
	char *text = head->text;
	bool answer = head->answer;

	/* The two tables are read as far as their counts go: no need to clear kilobytes for each request. */
	head->count = head->option_count = 0;
	memset(head, 0, offsetof(struct http1_head, fields));
	head->path = head->host = (struct http1_span){};
	head->slash = head->has_length = head->keep = head->upgrade = head->expect = false;
	head->framing = HTTP1_NO_BODY;
	head->content_length = 0;
	head->option_count = 0;
	head->why = NULL;
	head->text = text;
	head->answer = answer;
}

/* "HTTP/" DIGIT "." DIGIT, RFC 9112 2.3. 0, 400 or 505. */
static int parse_version(struct http1_head *head, struct http1_span version)
{
	if (version.length != 8 || memcmp(version.at, "HTTP/", 5) || !http1_is(version.at[5], HTTP1_DIGIT) ||
	    version.at[6] != '.' || !http1_is(version.at[7], HTTP1_DIGIT))
		return http1_refused(head, 400, "no valid HTTP version (RFC 9112 2.3)");
	if (version.at[5] != '1' || version.at[7] > '1')
		return http1_refused(head, 505, "a version other than HTTP/1.0 and HTTP/1.1 (RFC 9110 15.6.6)");
	head->minor = version.at[7] - '0';
	return 0;
}

/* method SP request-target SP HTTP-version, RFC 9112 3. */
static int parse_request_line(struct http1_head *head, const struct http1_limits *limits, struct http1_span line)
{
	size_t method = http1_prefix(line.at, line.length, HTTP1_TOKEN), target;
	const char *blank;
	int status;

	if (!method || method == line.length || line.at[method] != ' ')
		return http1_refused(head, 400, "no method with one blank behind it (RFC 9112 3)");
	head->method = (struct http1_span){ line.at, method };
	line.at += method + 1;
	line.length -= method + 1;
	blank = memchr(line.at, ' ', line.length);
	if (!blank)
		return http1_refused(head, 400, "no version: HTTP/0.9 is not spoken (RFC 9112 3)");
	target = blank - line.at;
	head->target = (struct http1_span){ line.at, target };
	status = parse_version(head, (struct http1_span){ blank + 1, line.length - target - 1 });
	if (status)
		return status;
	if (method > HTTP1_MAX_METHOD)
		return http1_refused(head, 501, "a method longer than any (RFC 9112 3)");
	if (target > limits->target)
		return http1_refused(head, 414, "a request target that is too long (RFC 9112 3)");
	if (!target || http1_prefix(line.at, target, HTTP1_TARGET) != target)
		return http1_refused(head, 400, "a byte that no request target has (RFC 9112 3.2)");
	return 0;
}

/* HTTP-version SP status-code SP [ reason-phrase ], RFC 9112 4. */
static int parse_status_line(struct http1_head *head, struct http1_span line)
{
	const size_t reason = sizeof("HTTP/1.1 200 ") - 1;
	const char *code = line.at + 9;
	int status;

	if (line.length < reason || line.at[8] != ' ' || line.at[12] != ' ' || http1_prefix(code, 3, HTTP1_DIGIT) != 3)
		return http1_refused(head, 400, "no valid status line (RFC 9112 4)");
	status = parse_version(head, (struct http1_span){ line.at, 8 });
	if (status)
		return status;
	head->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	if (head->status < 100 || head->status > 599)
		return http1_refused(head, 400, "a status that is not from 100 to 599 (RFC 9110 15)");
	head->reason = (struct http1_span){ line.at + reason, line.length - reason };
	return 0;
}

/* field-name ":" OWS field-value OWS, RFC 9112 5. */
static int parse_field(struct http1_head *head, const struct http1_limits *limits, struct http1_span line)
{
	size_t name = http1_prefix(line.at, line.length, HTTP1_TOKEN);
	struct http1_field *field = &head->fields[head->count];
	struct http1_span value;

	if (line.at[0] == ' ' || line.at[0] == '\t')
		return http1_refused(head, 400, "a folded line (RFC 9112 5.2)");
	if (!name || name == line.length || line.at[name] != ':')
		return http1_refused(head, 400, "no valid field name with a colon right behind it (RFC 9112 5.1)");
	if (head->count == limits->fields)
		return http1_refused(head, 431, "too many fields (RFC 6585 5)");
	value = http1_trimmed((struct http1_span){ line.at + name + 1, line.length - name - 1 });
	*field = (struct http1_field){
		.name = line.at - head->text,
		.name_length = name,
		.value = value.at - head->text,
		.value_length = value.length,
	};
	field->id = http1_name_of((struct http1_span){ line.at, name }, &field->odd);
	head->count++;
	return 0;
}

static int end_of_line(struct http1_head *head, const struct http1_limits *limits)
{
	struct http1_span line = { head->text + head->line, head->length - head->line };

	head->line = head->length;
	if (!head->started && !line.length) {
		/* Old clients send one CRLF behind a body. */
		if (head->answer || head->skipped)
			return http1_refused(head, 400, "an empty line where a message begins (RFC 9112 2.2)");
		head->skipped = true;
		return 0;
	}
	if (!head->started) {
		head->started = true;
		return head->answer ? parse_status_line(head, line) : parse_request_line(head, limits, line);
	}
	if (!line.length) {
		head->complete = true;
		return 0;
	}
	return parse_field(head, limits, line);
}

static int too_large(struct http1_head *head)
{
	if (head->started || head->answer)
		return http1_refused(head, 431, "a head that is too large (RFC 6585 5)");
	if (memchr(head->text + head->line, ' ', head->length - head->line))
		return http1_refused(head, 414, "a request target that is too long (RFC 9112 3)");
	return http1_refused(head, 400, "no method with one blank behind it (RFC 9112 3)");
}

int http1_head_take(struct http1_head *head, const struct http1_limits *limits, const char *input, size_t length,
		    size_t *used)
{
	size_t at = 0;

	while (at < length && !head->complete) {
		size_t room = limits->head - head->bytes, text;
		int status;

		/* The byte at the limit is one too many, whatever it is: so no way of cutting the input matters. */
		if (!room)
			return too_large(head);
		if (head->cr) {
			if (input[at] != '\n')
				return http1_refused(head, 400, "a bare CR (RFC 9112 2.2)");
			head->cr = false;
			head->bytes++;
			at++;
			status = end_of_line(head, limits);
			if (status)
				return status;
			continue;
		}
		text = length - at < room ? length - at : room;
		text = http1_text_prefix(input + at, text);
		memcpy(head->text + head->length, input + at, text);
		head->length += text;
		head->bytes += text;
		at += text;
		if (at == length || text == room)
			continue;
		if (input[at] == '\n')
			return http1_refused(head, 400, "a bare LF (RFC 9112 2.2)");
		if (input[at] != '\r')
			return http1_refused(head, 400, "a control character (RFC 9110 5.5)");
		head->cr = true;
		head->bytes++;
		at++;
	}
	*used = at;
	return 0;
}
