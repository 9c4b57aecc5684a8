/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened: a line for the log, and a line of JSON for each who follows. Nobody is waited for: who reads too
 * slowly misses lines, and is told how many as soon as he has caught up.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

/* What `rcxlb events` says first, to hear of each connection too. */
#define JOURNAL_CONNECTIONS "connections\n"

struct journal;

/*
 * `listener`: a listening AF_UNIX socket for those who follow, taken. The log must be open. NULL when there is no
 * memory; the socket is closed then as well.
 */
struct journal *journal_new(struct event_base *base, int listener);
void journal_free(struct journal *journal);

/*
 * Says that something happened: `fields` (taken; "event" among them) with the time and the sentence "message" added
 * goes to those who follow, the sentence into the log.
 */
void journal_write(struct journal *journal, json_t *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a connection: only to those who asked for them. */
void journal_connection(struct journal *journal, json_t *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Does anybody want to hear of each connection? */
bool journal_has_audience(const struct journal *journal);

#endif
