// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ESCAPED 8 /* bytes of one character at most */

#define MOST_METHOD  HTTP1_MAX_METHOD
#define MOST_TARGET  2000
#define MOST_HOST    256
#define MOST_REFERER 800
#define MOST_AGENT   500

_Static_assert(MOST_METHOD + MOST_TARGET + MOST_HOST + MOST_REFERER + MOST_AGENT <= HTTP_LOG_TEXT, "a note holds all");

/* Both formats write quotes and backslashes with a backslash; the rest as \xXX, which JSON calls \u00XX. */
static size_t escape(char c, bool json, char *to)
{
	uint8_t byte = (uint8_t)c;

	if (c == '"' || c == '\\') {
		to[0] = '\\';
		to[1] = c;
		return 2;
	}
	if (byte >= 0x20 && byte < 0x7f) {
		to[0] = c;
		return 1;
	}
	return (size_t)snprintf(to, ESCAPED, json ? "\\u00%02x" : "\\x%02X", byte);
}

/* At most `most` bytes; what is cut ends with three points. */
static size_t put_escaped(struct http1_span text, bool json, size_t most, char *to)
{
	static const char cut[] = "...";
	size_t length = 0, fits = 0;
	char piece[ESCAPED];

	for (size_t i = 0; i < text.length; i++) {
		size_t size = escape(text.at[i], json, piece);

		if (length + size > most) {
			memcpy(to + fits, cut, sizeof(cut) - 1);
			return fits + sizeof(cut) - 1;
		}
		memcpy(to + length, piece, size);
		length += size;
		if (length + sizeof(cut) - 1 <= most)
			fits = length;
	}
	return length;
}

/* The first field of that name. */
static struct http1_span field_of(const struct http1_head *head, struct http1_span name)
{
	for (unsigned int i = 0; i < head->count; i++)
		if (http1_equal_nocase(http1_field_name(head, &head->fields[i]), name))
			return http1_field_value(head, &head->fields[i]);
	return (struct http1_span){};
}

void http_log_note(const struct http1_head *head, bool json, struct http_log_note *ret)
{
	char *at = ret->text;

	ret->minor = head->minor;
	at += ret->method = put_escaped(head->method, json, MOST_METHOD, at);
	at += ret->target = put_escaped(head->target, json, MOST_TARGET, at);
	at += ret->host = put_escaped(head->host, json, MOST_HOST, at);
	at += ret->referer = put_escaped(field_of(head, HTTP1_SPAN("Referer")), json, MOST_REFERER, at);
	ret->agent = put_escaped(field_of(head, HTTP1_SPAN("User-Agent")), json, MOST_AGENT, at);
}

static struct tm utc(uint64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm parts;

	gmtime_r(&seconds, &parts);
	return parts;
}

/* host ident user [time] "request" status bytes "referer" "agent" */
static int put_combined(const struct http_log_entry *entry, char *to)
{
	static const struct http_log_note nothing;
	const struct http_log_note *note = entry->note ? entry->note : &nothing;
	const char *target = note->text + note->method, *referer = target + note->target + note->host;
	struct tm parts = utc(entry->time_ms);
	char stamp[40], request[MOST_METHOD + MOST_TARGET + 16] = "-";

	strftime(stamp, sizeof(stamp), "%d/%b/%Y:%H:%M:%S +0000", &parts);
	if (entry->note)
		snprintf(request, sizeof(request), "%.*s %.*s HTTP/1.%u", note->method, note->text, note->target,
			 target, note->minor);
	return snprintf(to, HTTP_LOG_LINE, "%s - - [%s] \"%s\" %d %llu \"%.*s\" \"%.*s\"\n", entry->client, stamp,
			request, entry->status, (unsigned long long)entry->bytes, note->referer ? note->referer : 1,
			note->referer ? referer : "-", note->agent ? note->agent : 1,
			note->agent ? referer + note->referer : "-");
}

static int put_json(const struct http_log_entry *entry, char *to)
{
	static const struct http_log_note nothing;
	const struct http_log_note *note = entry->note ? entry->note : &nothing;
	const char *target = note->text + note->method, *host = target + note->target, *referer = host + note->host;
	struct tm parts = utc(entry->time_ms);
	char stamp[40];

	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &parts);
	return snprintf(to, HTTP_LOG_LINE,
			"{\"time\":\"%s.%03uZ\",\"client\":\"%s\",\"service\":\"%s\",\"method\":\"%.*s\","
			"\"target\":\"%.*s\",\"version\":\"1.%u\",\"host\":\"%.*s\",\"status\":%d,\"bytes\":%llu,"
			"\"ms\":%u,\"referer\":\"%.*s\",\"user_agent\":\"%.*s\"}\n",
			stamp, (unsigned int)(entry->time_ms % 1000), entry->client, entry->service, note->method,
			note->text, note->target, target, note->minor, note->host, host, entry->status,
			(unsigned long long)entry->bytes, entry->took_ms, note->referer, referer, note->agent,
			referer + note->referer);
}

size_t http_log_line(const struct http_log_entry *entry, bool json, char *to)
{
	int length = json ? put_json(entry, to) : put_combined(entry, to);

	/* The bounds above leave room for what stands around the texts. */
	return length > 0 && length < HTTP_LOG_LINE ? (size_t)length : 0;
}
