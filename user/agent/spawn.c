// SPDX-License-Identifier: BSD-2-Clause
/* The agent in the background. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"

#define OTHER "\1" /* what the child says when somebody else was first */

#define ANSWER 3 /* the descriptor, of the agent */

/* Nothing of who started it: no terminal, no folder, no descriptor but the one to answer on, which becomes ANSWER. */
static int detach(int keep)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), high = fcntl(keep, F_DUPFD_CLOEXEC, ANSWER + 1);

	if (null < 0 || high < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    dup2(high, ANSWER) < 0 || chdir("/"))
		return -errno;
	syscall(SYS_close_range, ANSWER + 1, ~0u, 0);
	return 0;
}

static _Noreturn void be_agent(int answer)
{
	struct error error = { "" };
	int err;

	setsid();
	err = detach(answer);
	if (!err) {
		answer = ANSWER;
		err = agent_run(false, answer, &error);
	}
	if (err && !error.text[0])
		error_set(&error, "the agent did not start: %s", strerror(-err));
	if (err == -EBUSY)
		strcpy(error.text, OTHER);
	if (err && write(answer, error.text, strlen(error.text)) < 0)
		_exit(2);
	_exit(err ? 1 : 0);
}

/* One byte 0: it works. OTHER: there is one already. Anything else is the sentence that says why not. */
static int await(int answer, struct error *error)
{
	char text[sizeof(error->text)];
	size_t got = 0;
	ssize_t n;

	do {
		n = read(answer, text + got, sizeof(text) - 1 - got);
		if (n > 0)
			got += n;
	} while ((n < 0 && errno == EINTR) || (n > 0 && got < sizeof(text) - 1 && text[0]));
	text[got] = 0;
	if (got == 1 && !text[0])
		return 0;
	if (!strcmp(text, OTHER))
		return -EBUSY;
	return failed(error, -ECHILD, "%s", got ? text : "the agent died while it started");
}

int agent_spawn(struct error *error)
{
	int answer[2], err;
	pid_t child;

	if (pipe2(answer, O_CLOEXEC))
		return failed(error, -errno, "cannot start the agent: %s", strerror(errno));
	fflush(NULL);
	child = fork();
	if (!child)
		be_agent(answer[1]);
	err = child < 0 ? failed(error, -errno, "cannot start the agent: %s", strerror(errno)) : 0;
	close(answer[1]);
	if (!err)
		err = await(answer[0], error);
	close(answer[0]);
	if (err && child > 0)
		waitpid(child, NULL, 0);
	return err;
}
