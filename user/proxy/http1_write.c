// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_write.h"

#include <errno.h>
#include <string.h>

#include "proxy/http1_chars.h"

void http1_put(struct http1_out *out, struct http1_span text)
{
	if (text.length > (size_t)(out->end - out->at)) {
		out->full = true;
		return;
	}
	if (text.length)
		memcpy(out->at, text.at, text.length);
	out->at += text.length;
}

void http1_put_decimal(struct http1_out *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = '0' + number % 10;
		number /= 10;
	} while (number);
	http1_put(out, (struct http1_span){ digits + at, sizeof(digits) - at });
}

void http1_put_field(struct http1_out *out, struct http1_span name, struct http1_span value)
{
	http1_put(out, name);
	HTTP1_PUT(out, ": ");
	http1_put(out, value);
	HTTP1_PUT(out, "\r\n");
}

ssize_t http1_written(const struct http1_out *out, const char *to)
{
	return out->full ? -ENOSPC : out->at - to;
}

static bool listed(const struct http1_head *head, struct http1_span name)
{
	for (unsigned int o = 0; o < head->option_count; o++)
		if (http1_equal_folded((struct http1_span){ head->text + head->options[o].at, head->options[o].length },
				       name))
			return true;
	return false;
}

static bool is_set(const struct http1_header *set, size_t count, struct http1_span name)
{
	for (size_t s = 0; s < count; s++)
		if (http1_equal_folded(set[s].name, name))
			return true;
	return false;
}

void http1_put_rest(struct http1_out *out, const struct http1_head *head, const struct http1_header *set,
		    size_t set_count, bool (*goes_on)(const struct http1_field *field))
{
	for (size_t s = 0; s < set_count; s++)
		http1_put_field(out, set[s].name, set[s].value);
	for (unsigned int i = 0; i < head->count; i++) {
		const struct http1_field *field = &head->fields[i];
		struct http1_span name = http1_field_name(head, field);

		if (goes_on(field) && !listed(head, name) && !is_set(set, set_count, name))
			http1_put_field(out, name, http1_field_value(head, field));
	}
}

size_t http1_chunk_head(uint64_t size, char *to)
{
	unsigned int digits = 1;

	while (digits < 16 && size >> digits * 4)
		digits++;
	for (unsigned int d = 0; d < digits; d++)
		to[d] = "0123456789abcdef"[size >> (digits - 1 - d) * 4 & 15];
	to[digits] = '\r';
	to[digits + 1] = '\n';
	return digits + 2;
}

const char *http1_header_wrong(const struct http1_header *header)
{
	struct http1_span value = header->value;
	bool odd;

	if (!header->name.length ||
	    http1_prefix(header->name.at, header->name.length, HTTP1_TOKEN) != header->name.length)
		return "no valid field name";
	if (http1_text_prefix(value.at, value.length) != value.length)
		return "a control character in the value";
	if (http1_trimmed(value).length != value.length)
		return "a blank at the beginning or the end of the value";
	if (http1_name_of(header->name, &odd) != HTTP1_OTHER)
		return "a field that the proxy itself sets or removes";
	return NULL;
}
