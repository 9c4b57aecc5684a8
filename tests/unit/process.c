// SPDX-License-Identifier: BSD-2-Clause
/* Who may end a worker by SIGTERM, asked in a PID namespace of its own. */
#include "test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/process.h"
#include "agent/sandbox.h"

#define ENDED 7 /* how the process ends that was told to */

static void end(void)
{
	_exit(ENDED);
}

/* Waits for signals as a worker does, and answers who asks whether it lives. */
static _Noreturn void be_worker(int in, int out)
{
	struct error error;
	char byte;

	process_end_by_first(end);
	if (!WATCHED && sandbox_enter(SANDBOX_WORKER, &error)) {
		fprintf(stderr, "%s\n", error.text);
		_exit(1);
	}
	while (write(out, "", 1) == 1 && read(in, &byte, 1) == 1)
		continue;
	_exit(2);
}

/* A signal that came before is handled before the answer. */
static bool lives(int in, int out)
{
	char byte;

	return read(in, &byte, 1) == 1 && write(out, "", 1) == 1 && read(in, &byte, 1) == 1 && write(out, "", 1) == 1;
}

/* Process 1, until the namespace ends: sends when it is told to. */
static _Noreturn void be_first(int in)
{
	char byte;

	if (read(in, &byte, 1) == 1)
		kill(2, SIGTERM);
	for (;;)
		pause();
}

static pid_t kill_from_within(void)
{
	pid_t sender = fork();

	if (!sender)
		_exit(kill(2, SIGTERM) ? 1 : 0);
	return sender;
}

/* 0, or the number of the step that was not as it should be. Its children are processes 1, 2, 3 of the namespace. */
static int try_all(void)
{
	int to_first[2], to_worker[2], from_worker[2], status;
	pid_t first, worker;

	if (unshare(CLONE_NEWPID))
		return errno == EPERM ? -1 : 1;
	if (pipe(to_first) || pipe(to_worker) || pipe(from_worker))
		return 1;
	first = fork();
	if (!first)
		be_first(to_first[0]);
	worker = fork();
	if (!worker)
		be_worker(to_worker[0], from_worker[1]);
	if (first < 0 || worker < 0 || !lives(from_worker[0], to_worker[1]))
		return 2;
	kill(worker, SIGTERM); /* from outside: nobody there can say who */
	if (!lives(from_worker[0], to_worker[1]))
		return 3;
	if (waitpid(kill_from_within(), &status, 0) < 0 || status || !lives(from_worker[0], to_worker[1]))
		return 4;
	if (write(to_first[1], "", 1) != 1 || waitpid(worker, &status, 0) != worker)
		return 5;
	kill(first, SIGKILL);
	return WIFEXITED(status) && WEXITSTATUS(status) == ENDED ? 0 : 6;
}

static void process_1_alone_ends_a_worker(void **state)
{
	pid_t child = geteuid() ? -1 : fork();
	int status;

	(void)state;
	if (child < 0) {
		print_message("skipped: only root can make a PID namespace\n");
		skip();
	}
	if (!child) {
		alarm(20);
		_exit(try_all());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 0xff) {
		print_message("skipped: no PID namespace can be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(process_1_alone_ends_a_worker) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
