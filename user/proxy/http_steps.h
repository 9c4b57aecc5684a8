/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of a conversation (http_conversation.h), each named after what it does to it. None of them ends it: that it
 * is over is a state, which http_conversation.c acts on when nobody is at work on it any more.
 */
#ifndef PROXY_HTTP_STEPS_H
#define PROXY_HTTP_STEPS_H

#include "proxy/http_conversation.h"

/* --- http_steps.c: the states, and the worker's own answers --- */

void http_enter(struct http_conversation *c, enum http_state state);
void http_over(struct http_conversation *c, bool reset);

/* Nothing more will be written. `lingers`: the client may still be sending, and its RST would overtake the answer. */
void http_close_client(struct http_conversation *c, bool lingers);

/* The same between two requests, or before the first one. */
void http_leave(struct http_conversation *c);

/* Nothing more comes of a request whose head is not complete: answered with `status`, if anything of it came. */
void http_give_up_head(struct http_conversation *c, int status);

/* The answer is broken off, and its client must not take it for complete. */
void http_cut(struct http_conversation *c);

/* The worker answers itself; whatever the instance had to say is dropped. Not after something of an answer was sent. */
void http_answer(struct http_conversation *c, int status);
void http_redirect(struct http_conversation *c);

/* The same, and the connection stays as it would; `body` instead of words, copied, if it has bytes. */
void http_answer_here(struct http_conversation *c, int status, struct http1_span body);

/* What is to be remembered of a request for the access log; and that it is over: its time, and its line. */
void http_note(struct http_conversation *c);
void http_record(struct http_conversation *c);

void http_count_answer(struct http_conversation *c, int status);
void http_drop_instance(struct http_conversation *c, bool reset);
void http_drop_exchange(struct http_conversation *c);

/* --- http_challenge.c: what a certificate authority asks for, from a folder --- */

/* False: it is another request. */
bool http_begin_challenge(struct http_conversation *c);

/* True when it was answered. */
bool http_seek(struct http_conversation *c);

/* --- http_up.c: from the client to an instance --- */

/* True when something came, or the state is another one. */
bool http_read_client(struct http_conversation *c);

/* What has come of the request is parsed, as far as there is room for it. */
void http_parse_request(struct http_conversation *c);

/* True when the state is another one: an instance must be connected to first, or there is none. */
bool http_reach_instance(struct http_conversation *c);

/* A kept connection that nothing is asked of: whatever comes from there, it is of no more use. */
void http_check_instance(struct http_conversation *c);

void http_send_request(struct http_conversation *c);

/* --- http_down.c: from the instance to the client --- */

bool http_read_instance(struct http_conversation *c);
void http_parse_answer(struct http_conversation *c);
void http_send_answer(struct http_conversation *c);

#endif
