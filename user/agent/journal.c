// SPDX-License-Identifier: BSD-2-Clause
#include "agent/journal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "agent/listening.h"
#include "agent/log.h"
#include "core/version.h"

#define FOLLOWERS_MAX 64
#define BACKLOG_MAX   (1024 * 1024) /* bytes that wait for one who reads slowly */

struct follower {
	LIST_ENTRY(follower) others;
	struct journal *journal;
	struct bufferevent *stream;
	bool connections;
	uint64_t left_out; /* lines, since he fell behind; 0: he has not */
};

struct journal {
	LIST_HEAD(, follower) followers;
	uint32_t count;
	struct listening *listener;
};

static void dismiss(struct follower *follower)
{
	LIST_REMOVE(follower, others);
	follower->journal->count--;
	bufferevent_free(follower->stream);
	free(follower);
}

static void on_read(struct bufferevent *stream, void *context)
{
	struct follower *follower = context;
	struct evbuffer *input = bufferevent_get_input(stream);
	char word[sizeof(JOURNAL_CONNECTIONS)] = "";

	evbuffer_remove(input, word, sizeof(word) - 1);
	if (strcmp(word, JOURNAL_CONNECTIONS)) {
		dismiss(follower);
		return;
	}
	follower->connections = true;
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	(void)stream;
	(void)what;
	dismiss(context);
}

/* RFC 3339, to the millisecond, UTC. */
static void put_time(char *to, size_t size)
{
	struct timespec now;
	struct tm utc;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	length = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(to + length, size - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* NULL when there is no memory. */
static char *line_of(json_t *fields, const char *message)
{
	char time[40];

	put_time(time, sizeof(time));
	json_object_set_new(fields, "time", json_string(time));
	json_object_set_new(fields, "message", json_string(message));
	return json_dumps(fields, JSON_COMPACT);
}

static void send_line(struct follower *follower, const char *line)
{
	struct evbuffer *output = bufferevent_get_output(follower->stream);

	if (follower->left_out || evbuffer_get_length(output) > BACKLOG_MAX)
		follower->left_out++;
	else
		evbuffer_add_printf(output, "%s\n", line);
}

/* Most of what waited has been read: whoever fell behind hears how much he missed, and then what happens again. */
static void on_written(struct bufferevent *stream, void *context)
{
	struct follower *follower = context;
	uint64_t count = follower->left_out;
	char message[80], *line;
	json_t *fields;

	if (!count)
		return;
	fields = json_pack("{s:s, s:I}", "event", "left_out", "count", (json_int_t)count);
	snprintf(message, sizeof(message), "%llu lines were left out: they were read too slowly",
		 (unsigned long long)count);
	line = line_of(fields, message);
	json_decref(fields);
	if (!line)
		return;
	follower->left_out = 0;
	evbuffer_add_printf(bufferevent_get_output(stream), "%s\n", line);
	free(line);
}

/* Who follows knows from when on nothing escapes him. */
static void greet(struct follower *follower)
{
	json_t *fields = json_pack("{s:s, s:s, s:i}", "event", "agent", "state", "running", "pid", (int)getpid());
	char message[128], *line;

	snprintf(message, sizeof(message), "the agent of rcxlb %s is running", rcxlb_version);
	line = line_of(fields, message);
	if (line)
		send_line(follower, line);
	free(line);
	json_decref(fields);
}

static void on_follower(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
			void *context)
{
	struct journal *journal = context;
	struct follower *follower = journal->count < FOLLOWERS_MAX ? calloc(1, sizeof(*follower)) : NULL;

	(void)address;
	(void)size;
	if (follower)
		follower->stream = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	if (!follower || !follower->stream) {
		free(follower);
		close(fd);
		return;
	}
	follower->journal = journal;
	LIST_INSERT_HEAD(&journal->followers, follower, others);
	journal->count++;
	greet(follower);
	bufferevent_setcb(follower->stream, on_read, on_written, on_event, follower);
	bufferevent_setwatermark(follower->stream, EV_WRITE, BACKLOG_MAX / 2, 0);
	bufferevent_enable(follower->stream, EV_READ | EV_WRITE);
}

struct journal *journal_new(struct event_base *base, int listener)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal)
		journal->listener = listening_new(base, on_follower, journal, listener);
	if (!journal || !journal->listener) {
		free(journal);
		close(listener);
		return NULL;
	}
	LIST_INIT(&journal->followers);
	return journal;
}

/* As much as he takes without being waited for: the last lines say that the agent ends. */
static void send_rest(struct follower *follower)
{
	struct evbuffer *output = bufferevent_get_output(follower->stream);

	evbuffer_unfreeze(output, 1);
	while (evbuffer_get_length(output) && evbuffer_write(output, bufferevent_getfd(follower->stream)) > 0)
		;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	while (!LIST_EMPTY(&journal->followers)) {
		send_rest(LIST_FIRST(&journal->followers));
		dismiss(LIST_FIRST(&journal->followers));
	}
	listening_free(journal->listener);
	free(journal);
}

static void publish(struct journal *journal, json_t *fields, const char *message, bool connection)
{
	char *line = LIST_EMPTY(&journal->followers) ? NULL : line_of(fields, message);
	struct follower *follower;

	LIST_FOREACH(follower, &journal->followers, others)
	{
		if (line && (!connection || follower->connections))
			send_line(follower, line);
	}
	free(line);
	json_decref(fields);
}

void journal_write(struct journal *journal, json_t *fields, const char *format, ...)
{
	char message[512];
	va_list list;

	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	log_line("%s", message);
	publish(journal, fields, message, false);
}

void journal_connection(struct journal *journal, json_t *fields, const char *format, ...)
{
	char message[512];
	va_list list;

	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	publish(journal, fields, message, true);
}

bool journal_has_audience(const struct journal *journal)
{
	const struct follower *follower;

	LIST_FOREACH(follower, &journal->followers, others)
	{
		if (follower->connections)
			return true;
	}
	return false;
}
