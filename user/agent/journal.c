// SPDX-License-Identifier: BSD-2-Clause
#include "agent/journal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define FOLLOWERS_MAX 64
#define BACKLOG_MAX   (1024 * 1024) /* bytes that wait for one who reads slowly */

struct follower {
	LIST_ENTRY(follower) others;
	struct journal *journal;
	struct bufferevent *stream;
	bool connections;
};

struct journal {
	LIST_HEAD(, follower) followers;
	uint32_t count;
	uint64_t left_out;
	struct evconnlistener *listener;
	bool to_stderr;
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
	bufferevent_setcb(follower->stream, on_read, NULL, on_event, follower);
	bufferevent_enable(follower->stream, EV_READ | EV_WRITE);
}

struct journal *journal_new(struct event_base *base, int listener, bool to_stderr)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal)
		journal->listener = evconnlistener_new(base, on_follower, journal,
						       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener);
	if (!journal || !journal->listener) {
		free(journal);
		close(listener);
		return NULL;
	}
	LIST_INIT(&journal->followers);
	journal->to_stderr = to_stderr;
	if (!to_stderr)
		openlog("rcxlb", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	return journal;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	while (!LIST_EMPTY(&journal->followers))
		dismiss(LIST_FIRST(&journal->followers));
	evconnlistener_free(journal->listener);
	if (!journal->to_stderr)
		closelog();
	free(journal);
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

static bool wants(const struct follower *follower, bool connection)
{
	return !connection || follower->connections;
}

static void send_line(struct journal *journal, const char *line, bool connection)
{
	struct follower *follower;

	LIST_FOREACH(follower, &journal->followers, others)
	{
		struct evbuffer *output = bufferevent_get_output(follower->stream);

		if (!wants(follower, connection))
			continue;
		if (evbuffer_get_length(output) > BACKLOG_MAX) {
			journal->left_out++;
			continue;
		}
		evbuffer_add_printf(output, "%s\n", line);
	}
}

static void publish(struct journal *journal, json_t *fields, const char *message, bool connection)
{
	char time[40];
	char *line;

	put_time(time, sizeof(time));
	json_object_set_new(fields, "time", json_string(time));
	json_object_set_new(fields, "message", json_string(message));
	line = json_dumps(fields, JSON_COMPACT);
	if (line)
		send_line(journal, line, connection);
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
	if (journal->to_stderr)
		fprintf(stderr, "rcxlb: %s\n", message);
	else
		syslog(LOG_NOTICE, "%s", message);
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

uint64_t journal_left_out(struct journal *journal)
{
	uint64_t count = journal->left_out;

	journal->left_out = 0;
	return count;
}
