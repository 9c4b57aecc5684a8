// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/presence.h"
#include "cmd/commands.h"

/* The time and the sentence; a line that is none of the agent's stays as it is. */
static void print_for_people(const char *line)
{
	json_t *event = json_loads(line, 0, NULL);
	const char *time = NULL, *message = NULL;

	if (!json_unpack(event, "{s:s, s:s}", "time", &time, "message", &message))
		printf("%s %s\n", time, message);
	else
		fputs(line, stdout);
	json_decref(event);
}

static int follow(FILE *from, bool as_json, struct error *error)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, from) > 0) {
		if (as_json)
			fputs(line, stdout);
		else
			print_for_people(line);
		if (fflush(stdout)) {
			free(line);
			return failed(error, -EPIPE, "cannot write the output: %s", strerror(errno));
		}
	}
	free(line);
	return failed(error, -ECONNRESET, "the agent ended; its events ended with it");
}

static int run(const struct arguments *arguments, struct error *error)
{
	int fd, err = arguments_expect(arguments, 0, 0, "", error);
	FILE *from;

	if (err)
		return err;
	fd = presence_connect(error);
	if (fd < 0)
		return fd;
	if (argument(arguments, "--connections") &&
	    send(fd, JOURNAL_CONNECTIONS, strlen(JOURNAL_CONNECTIONS), MSG_NOSIGNAL) < 0) {
		err = failed(error, -errno, "the agent does not listen: %s", strerror(errno));
		close(fd);
		return err;
	}
	from = fdopen(fd, "r");
	if (!from) {
		close(fd);
		return failed(error, -ENOMEM, "out of memory");
	}
	err = follow(from, argument(arguments, "--json"), error);
	fclose(from);
	return err;
}

static const struct option_spec options[] = {
	{ "--connections", NULL, NULL, "each new connection too: client, service, backend and why that one", false },
	OPTION_JSON,
	OPTIONS_END,
};

const struct command command_events = {
	.name = "events",
	.usage = "[--connections]",
	.summary = "follow what happens: listeners, health, failovers, changes",
	.options = options,
	.run = run,
};
