// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_challenges.h"

#include <stddef.h>
#include <string.h>

static bool is_base64url(struct http1_span text)
{
	for (size_t i = 0; i < text.length; i++) {
		char c = text.at[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		      c == '_'))
			return false;
	}
	return text.length;
}

bool http_challenge_is_token(struct http1_span name)
{
	return name.length <= HTTP_CHALLENGE_TOKEN && is_base64url(name);
}

/* RFC 8555 8.1; blanks and line ends behind it are allowed, 8.3. */
static size_t authorization(struct http1_span name, struct http1_span content)
{
	struct http1_span thumbprint;
	size_t length = content.length;

	while (length && strchr(" \t\r\n", content.at[length - 1]) && content.at[length - 1])
		length--;
	if (length <= name.length + 1 || length > HTTP_CHALLENGE_TEXT || memcmp(content.at, name.at, name.length) ||
	    content.at[name.length] != '.')
		return 0;
	thumbprint = (struct http1_span){ content.at + name.length + 1, length - name.length - 1 };
	return is_base64url(thumbprint) ? length : 0;
}

bool http_challenges_add(struct http_challenges *to, const char *folder, struct http1_span name,
			 struct http1_span content)
{
	struct http_challenge *entry = &to->entry[to->count];
	size_t length = http_challenge_is_token(name) ? authorization(name, content) : 0;

	if (!length || to->count == HTTP_CHALLENGES)
		return false;
	*entry = (struct http_challenge){ .length = (uint32_t)length };
	strncpy(entry->folder, folder, sizeof(entry->folder) - 1);
	memcpy(entry->text, content.at, length);
	to->count++;
	return true;
}

void http_challenges_publish(struct http_challenges *shared, const struct http_challenges *now)
{
	size_t size = now->count * sizeof(now->entry[0]);

	if (shared->count != now->count || memcmp(shared->entry, now->entry, size)) {
		__atomic_fetch_add(&shared->version, 1, __ATOMIC_ACQ_REL);
		shared->count = now->count;
		memcpy(shared->entry, now->entry, size);
		__atomic_fetch_add(&shared->version, 1, __ATOMIC_RELEASE);
	}
	__atomic_fetch_add(&shared->looks, 1, __ATOMIC_RELEASE);
}

uint32_t http_challenges_looks(const struct http_challenges *shared)
{
	return __atomic_load_n(&shared->looks, __ATOMIC_ACQUIRE);
}

static bool is_for(const struct http_challenge *entry, const char *folder, struct http1_span token)
{
	return entry->length > token.length && entry->length <= sizeof(entry->text) &&
	       entry->text[token.length] == '.' && !memcmp(entry->text, token.at, token.length) &&
	       !strncmp(entry->folder, folder, sizeof(entry->folder));
}

int http_challenges_find(const struct http_challenges *shared, const char *folder, struct http1_span token,
			 char to[HTTP_CHALLENGE_TEXT])
{
	uint32_t version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE), length = 0;

	for (uint32_t i = 0; i < shared->count && i < HTTP_CHALLENGES && !length; i++) {
		const struct http_challenge *entry = &shared->entry[i];

		if (!is_for(entry, folder, token))
			continue;
		length = entry->length < HTTP_CHALLENGE_TEXT ? entry->length : HTTP_CHALLENGE_TEXT;
		memcpy(to, entry->text, length);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (version & 1 || version != __atomic_load_n(&shared->version, __ATOMIC_RELAXED))
		return HTTP_CHALLENGES_BUSY;
	return (int)length;
}
