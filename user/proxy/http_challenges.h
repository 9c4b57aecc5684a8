/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers to challenges of certificate authorities (http-01, RFC 8555 8.3) as they lie in folders. One process looks
 * into these and writes; workers, which have no file system, read the memory that they share with it. Pure.
 *
 * A client's request leads to no look into a folder. A worker that does not find what is asked for waits until a look
 * is over that began later, so that a file which was there before the request is always found.
 */
#ifndef PROXY_HTTP_CHALLENGES_H
#define PROXY_HTTP_CHALLENGES_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http1_text.h"
#include "rcxlb/abi.h"

#define HTTP_CHALLENGES	     256 /* of all folders; an order of a certificate for 100 names has as many at once */
#define HTTP_CHALLENGE_TOKEN 128 /* bytes at most */
#define HTTP_CHALLENGE_TEXT  256

struct http_challenge {
	char folder[RCXLB_PATH_LEN];
	uint32_t length;
	char
	    text[HTTP_CHALLENGE_TEXT]; /* the key authorization: the token, a point, and the account key's thumbprint */
};

struct http_challenges {
	uint32_t looks;	  /* that are over */
	uint32_t version; /* odd while it is being written */
	uint32_t count;
	struct http_challenge entry[HTTP_CHALLENGES];
};

/* May it be a token? Characters of base64url alone (RFC 8555 8.3), so it is no path. */
bool http_challenge_is_token(struct http1_span name);

/*
 * Adds what the file of that name holds, if it is a key authorization for it: whatever else a folder may lead to, it is
 * not shown. False: it is none, or there is no room.
 */
bool http_challenges_add(struct http_challenges *to, const char *folder, struct http1_span name,
			 struct http1_span content);

/* Makes those that are shared equal to these, and says that a look is over. By one process only. */
void http_challenges_publish(struct http_challenges *shared, const struct http_challenges *now);

/* How many looks are over. When they are HTTP_CHALLENGE_LOOKS more, one is that began after this was asked. */
#define HTTP_CHALLENGE_LOOKS 2
uint32_t http_challenges_looks(const struct http_challenges *shared);

/*
 * Copies the text for a token. Returns its bytes; 0: it is not there; HTTP_CHALLENGES_BUSY: they are being written at
 * this moment, and nobody can tell.
 */
#define HTTP_CHALLENGES_BUSY -1
int http_challenges_find(const struct http_challenges *shared, const char *folder, struct http1_span token,
			 char to[HTTP_CHALLENGE_TEXT]);

#endif
