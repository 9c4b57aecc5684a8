// SPDX-License-Identifier: BSD-2-Clause
#include "core/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/number.h"
#include "core/utf8.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *const type_names[] = {
	[RCXLB_CHECK_AUTO] = "auto",
	[RCXLB_CHECK_OFF] = "off",
	[RCXLB_CHECK_TCP] = "tcp",
	[RCXLB_CHECK_HTTP] = "http",
};

void check_defaults(struct rcxlb_check *check)
{
	static const uint16_t status[] = { RCXLB_CHECK_STATUS };

	*check = (struct rcxlb_check){
		.type = RCXLB_CHECK_AUTO,
		.interval_ms = RCXLB_CHECK_INTERVAL_MS,
		.timeout_ms = RCXLB_CHECK_TIMEOUT_MS,
		.rise = RCXLB_CHECK_RISE,
		.fall = RCXLB_CHECK_FALL,
		.status_from = status[0],
		.status_to = status[1],
		.path = RCXLB_CHECK_PATH,
	};
}

const char *check_type_name(uint32_t type)
{
	return type < LENGTH(type_names) ? type_names[type] : "?";
}

int check_set_type(struct rcxlb_check *check, const char *text, struct error *error)
{
	for (unsigned int i = 0; i < LENGTH(type_names); i++)
		if (!strcmp(text, type_names[i])) {
			check->type = i;
			return 0;
		}
	return failed(error, -EINVAL, "the check '%s' is not known; it is auto, off, tcp or http", text);
}

/* The rest of the field is 0: checks are compared as bytes. */
static int set_text(char to[RCXLB_CHECK_TEXT_LEN], const char *text, struct error *error)
{
	size_t length = strlen(text);

	if (!length || length >= RCXLB_CHECK_TEXT_LEN)
		return failed(error, -EINVAL, "'%s' has %zu bytes; it may have 1 to %d", text, length,
			      RCXLB_CHECK_TEXT_LEN - 1);
	memset(to, 0, RCXLB_CHECK_TEXT_LEN);
	strcpy(to, text);
	return 0;
}

int check_set_path(struct rcxlb_check *check, const char *text, struct error *error)
{
	bool good = text[0] == '/';

	for (const char *c = text; *c && good; c++)
		good = *c > ' ' && *c < 0x7f && *c != '#';
	if (!good)
		return failed(error, -EINVAL,
			      "'%s' is no path: it begins with '/', and has no blank and no '#'; other characters than "
			      "ASCII are written as %%XX",
			      text);
	return set_text(check->path, text, error);
}

int check_set_host(struct rcxlb_check *check, const char *text, struct error *error)
{
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._:[]", *c))
			return failed(error, -EINVAL,
				      "'%s' is no host: it is a name or an address, as chat.example.org", text);
	return set_text(check->host, text, error);
}

int check_set_body(struct rcxlb_check *check, const char *text, struct error *error)
{
	if (!utf8_is_printable(text))
		return failed(error, -EINVAL,
			      "'%s' is looked for in one line of an answer: it is UTF-8 without control "
			      "characters",
			      text);
	return set_text(check->body, text, error);
}

int check_set_status(struct rcxlb_check *check, const char *text, struct error *error)
{
	unsigned long from, to;
	char first[8] = "", *dash;
	int err = -EINVAL;

	if (strlen(text) < sizeof(first)) {
		strcpy(first, text);
		dash = strchr(first, '-');
		if (dash)
			*dash = 0;
		err = number_parse(first, 100, 599, &from);
		if (!err)
			err = number_parse(dash ? dash + 1 : first, 100, 599, &to);
	}
	if (err || to < from)
		return failed(error, -EINVAL,
			      "'%s' is no HTTP status from 100 to 599; it is one, or a range as 200-399", text);
	check->status_from = from;
	check->status_to = to;
	return 0;
}

/* The first setting that says something about an answer to HTTP, or NULL. */
static const char *http_setting(const struct rcxlb_check *check, const struct rcxlb_check *usual)
{
	if (strcmp(check->path, usual->path))
		return "path";
	if (check->status_from != usual->status_from || check->status_to != usual->status_to)
		return "status";
	return check->body[0] ? "body" : NULL;
}

int check_validate(const struct rcxlb_check *check, const char **ret_key, struct error *error)
{
	const char *http;
	struct rcxlb_check usual;

	check_defaults(&usual);
	http = http_setting(check, &usual);
	if (http && check->type != RCXLB_CHECK_HTTP) {
		*ret_key = http;
		return failed(error, -EINVAL, "a health check with a %s needs the type http, this is of type %s", http,
			      check_type_name(check->type));
	}
	if (check->host[0] && check->type != RCXLB_CHECK_HTTP && check->type != RCXLB_CHECK_AUTO) {
		*ret_key = "host";
		return failed(error, -EINVAL,
			      "a health check with a host needs the type http or auto, this is of type %s",
			      check_type_name(check->type));
	}
	if (check->timeout_ms > check->interval_ms) {
		*ret_key = "timeout_ms";
		return failed(error, -EINVAL,
			      "a health check's time-out of %u ms is longer than its interval of %u ms; make the "
			      "interval longer or the time-out shorter",
			      check->timeout_ms, check->interval_ms);
	}
	return 0;
}

bool check_equal(const struct rcxlb_check *a, const struct rcxlb_check *b)
{
	return !memcmp(a, b, sizeof(*a));
}

const char *check_status_text(const struct rcxlb_check *check, char to[CHECK_STATUS_LEN])
{
	if (check->status_from == check->status_to)
		snprintf(to, CHECK_STATUS_LEN, "%u", check->status_from);
	else
		snprintf(to, CHECK_STATUS_LEN, "%u-%u", check->status_from, check->status_to);
	return to;
}
