// SPDX-License-Identifier: BSD-2-Clause
#include "agent/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Words of /proc/PID/stat after the name, which may hold anything. */
#define SKIPPED "%*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d"

uint64_t process_started(uint32_t pid)
{
	unsigned long long started = 0;
	char path[32], line[1024], state;
	const char *rest;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	size = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[size] = 0;
	rest = strrchr(line, ')');
	if (!rest || sscanf(rest, ") %c " SKIPPED " %llu", &state, &started) != 2 || strchr("ZXx", state))
		return 0;
	return started;
}

static void (*end_now)(void);

static void on_term(int number, siginfo_t *info, void *context)
{
	int err = errno;

	(void)number;
	(void)context;
	if (info->si_code == SI_USER && info->si_pid == 1)
		end_now();
	errno = err;
}

void process_end_by_first(void (*end)(void))
{
	const struct sigaction action = { .sa_sigaction = on_term, .sa_flags = SA_SIGINFO | SA_RESTART };

	end_now = end;
	sigaction(SIGTERM, &action, NULL);
}

bool process_lives(uint32_t pid, uint64_t started)
{
	uint64_t seen = process_started(pid);

	if (seen)
		return seen == started;
	return !kill((pid_t)pid, 0) || errno != ESRCH;
}
