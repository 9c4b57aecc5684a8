// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/tls_names.h"

#include <string.h>

#define LABEL_MAX 63

/* Not isalnum(): its answer depends on the locale. The underscore is in no host name, but in some certificates. */
static bool is_label_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* No top-level domain is a number, so a name whose last label is one is an IPv4 address. */
static bool ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot ? dot + 1 : name;

	return strspn(last, "0123456789") == strlen(last);
}

bool tls_name_normalize(const char *name, size_t length, bool wildcard, char to[static TLS_NAME_MAX])
{
	size_t label = 0;

	if (length && name[length - 1] == '.')
		length--;
	if (!length || length >= TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool star = wildcard && i == 0 && length > 2 && name[0] == '*' && name[1] == '.';

		to[i] = lower(name[i]);
		if (to[i] == '.') {
			if (!label)
				return false;
			label = 0;
		} else if ((!star && !is_label_character(to[i])) || ++label > LABEL_MAX) {
			return false;
		}
	}
	to[length] = 0;
	return label && !ends_in_number(to);
}

bool tls_name_covers(const char *pattern, const char *host)
{
	const char *dot;

	if (strncmp(pattern, "*.", 2) != 0)
		return strcmp(pattern, host) == 0;
	dot = strchr(host, '.');
	return dot && dot != host && strcmp(pattern + 1, dot) == 0;
}

bool tls_name_wildcard(const char *host, char to[static TLS_NAME_MAX])
{
	const char *dot = strchr(host, '.');

	if (!dot || dot == host || strlen(dot) + 1 >= TLS_NAME_MAX)
		return false;
	to[0] = '*';
	strcpy(to + 1, dot);
	return true;
}
