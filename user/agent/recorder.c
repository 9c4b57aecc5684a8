// SPDX-License-Identifier: BSD-2-Clause
#include "agent/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/process.h"
#include "agent/sandbox.h"
#include "core/http.h"
#include "proxy/clock.h"

#define SOURCE	     3		   /* the descriptor, of a recorder */
#define PIPE_BYTES   (1 << 20)	   /* what an unprivileged pipe may have */
#define LOOK_NS	     1000000000ull /* between looks whether the file was renamed */
#define COMPLAIN_NS  60000000000ull
#define AGAIN_NS     1000000000ull /* after one died */
#define BLOCK	     65536
#define MODE_OF_LOGS 0640

/* --- The process --- */

struct output {
	const char *path; /* NULL: the journal */
	int fd;		  /* -1: not open */
	bool torn;	  /* the file ends in the middle of a line: the disk was full */
	uint64_t looked, complained;
	char block[BLOCK];
	size_t used;
};

static void complain(struct output *output, const char *what, const char *why)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (output->complained && now - output->complained < COMPLAIN_NS)
		return;
	output->complained = now;
	log_line("cannot %s the access log %s: %s; lines are lost", what, output->path, why);
}

/*
 * Who may write into the folder must not choose which of root's files is written to. The log itself may be somebody
 * else's: logrotate can make it so.
 */
static int open_log(struct output *output)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(output->path, flags, MODE_OF_LOGS);
	struct stat file;
	bool known;

	if (fd < 0) {
		complain(output, "open", errno == ELOOP ? "it is a symbolic link" : strerror(errno));
		return -1;
	}
	known = !fstat(fd, &file);
	if (known && (!S_ISREG(file.st_mode) || file.st_nlink <= 1))
		return fd;
	complain(output, "open", known ? "the file has another name as well, by a hard link" : strerror(errno));
	close(fd);
	return -1;
}

/* What rotates logs renames the file, and expects another one in its place. */
static void follow_name(struct output *output)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct stat named, open_one;

	if (output->fd >= 0) {
		if (now - output->looked < LOOK_NS)
			return;
		output->looked = now;
		if (!lstat(output->path, &named) && !fstat(output->fd, &open_one) && named.st_ino == open_one.st_ino &&
		    named.st_dev == open_one.st_dev)
			return;
		close(output->fd);
	}
	output->looked = now;
	output->fd = open_log(output);
	output->torn = false;
}

static bool write_all(struct output *output, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(output->fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			complain(output, "write", strerror(errno));
			return false;
		}
		output->torn = bytes[n - 1] != '\n';
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* What could not be written whole is lost, and what comes after it begins its own line. */
static void write_file(struct output *output, const char *lines, size_t size)
{
	follow_name(output);
	if (output->fd < 0 || !size || (output->torn && !write_all(output, "\n", 1)))
		return;
	write_all(output, lines, size);
}

static void write_journal(const char *lines, size_t size)
{
	while (size) {
		const char *end = memchr(lines, '\n', size);
		size_t length = end ? (size_t)(end - lines) : size;

		syslog(LOG_INFO, "%.*s", (int)length, lines);
		lines += length + (end != NULL);
		size -= length + (end != NULL);
	}
}

/* Whole lines: others may append to the same file. */
static void write_lines(struct output *output)
{
	char *end = memrchr(output->block, '\n', output->used);
	size_t size = end ? (size_t)(end + 1 - output->block) : output->used == BLOCK ? BLOCK : 0;

	if (output->path)
		write_file(output, output->block, size);
	else
		write_journal(output->block, size);
	output->used -= size;
	memmove(output->block, output->block + size, output->used);
}

/* What is in the pipe is written, and then nothing is waited for. */
static void end_recorder(void)
{
	fcntl(SOURCE, F_SETFL, O_NONBLOCK);
}

/* Until nobody has the other end of the pipe any more. */
static _Noreturn void record(const struct recorders *recorders, const struct recorder *recorder)
{
	static struct output output = { .fd = -1 };
	char path[RCXLB_PATH_LEN];
	ssize_t n = 1;

	prctl(PR_SET_NAME, "rcxlb-log");
	signal(SIGINT, SIG_IGN);
	if (recorders->leave)
		recorders->leave(recorders->context);
	strcpy(path, recorder->to);
	output.path = http_logs_to_journal(path) ? NULL : path;
	log_close(); /* and opened again when there is something to say */
	if (dup2(recorder->pipe[0], SOURCE) < 0 || fcntl(SOURCE, F_SETFL, 0) || sandbox_drop_capabilities())
		_exit(1);
	syscall(SYS_close_range, SOURCE + 1, ~0u, 0);
	process_end_by_first(end_recorder); /* else it ends with the last worker, as they do with their clients */
	if (!output.path)
		openlog("rcxlb-access", LOG_NDELAY, LOG_DAEMON);
	while (n > 0 || (n < 0 && errno == EINTR)) {
		n = read(SOURCE, output.block + output.used, BLOCK - output.used);
		if (n > 0) {
			output.used += (size_t)n;
			write_lines(&output);
		}
	}
	_exit(0);
}

/* --- Starting them --- */

static bool is_alive(const struct recorder *recorder)
{
	struct pollfd ended = { .fd = recorder->process, .events = POLLIN };

	return recorder->process >= 0 && poll(&ended, 1, 0) == 0;
}

/* One that cannot be looked after would be taken for dead, and have another one beside it. */
static void give_up(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int say(const struct recorder *recorder, struct error *error)
{
	return recorder->failure ? failed(error, recorder->failure, "cannot start to write the access log %s: %s",
					  recorder->to, strerror(-recorder->failure))
				 : 0;
}

/* While it is too soon to try again the former failure stands. */
static int start(const struct recorders *recorders, struct recorder *recorder, struct error *error)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	pid_t child;

	if (now < recorder->again)
		return say(recorder, error);
	recorder->again = now + AGAIN_NS;
	child = fork();
	if (!child)
		record(recorders, recorder);
	if (recorder->process >= 0)
		close(recorder->process);
	recorder->process = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
	recorder->failure = recorder->process < 0 ? -errno : 0;
	if (recorder->failure && child > 0)
		give_up(child);
	return say(recorder, error);
}

static int open_pipe(struct recorder *recorder, const char *to, struct error *error)
{
	if (pipe2(recorder->pipe, O_CLOEXEC | O_NONBLOCK))
		return failed(error, -errno, "cannot make a pipe for the access log %s: %s", to, strerror(errno));
	fcntl(recorder->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* else it is smaller, and loses lines sooner */
	strcpy(recorder->to, to);
	recorder->process = -1;
	recorder->again = 0;
	recorder->failure = 0;
	return 0;
}

static void forget(struct recorder *recorder)
{
	close(recorder->pipe[0]);
	close(recorder->pipe[1]);
	if (recorder->process >= 0)
		close(recorder->process);
	recorder->to[0] = 0;
}

static bool is_wanted(const struct model *model, const char *to)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0] && !strcmp(model->service[i].http.access_log, to))
			return true;
	return false;
}

/* The one for this file, or one that is unused. There are as many as services. */
static struct recorder *find(struct recorders *recorders, const char *to)
{
	struct recorder *unused = NULL;

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		if (!strcmp(recorders->recorder[i].to, to))
			return &recorders->recorder[i];
		if (!recorders->recorder[i].to[0] && !unused)
			unused = &recorders->recorder[i];
	}
	return unused;
}

static int follow(struct recorders *recorders, const char *to, struct error *error)
{
	struct recorder *recorder = find(recorders, to);
	int err = 0;

	if (!recorder)
		return 0;
	if (!recorder->to[0])
		err = open_pipe(recorder, to, error);
	return err || is_alive(recorder) ? err : start(recorders, recorder, error);
}

int recorders_follow(struct recorders *recorders, const struct model *model, struct error *error)
{
	int err = 0;

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (recorders->recorder[i].to[0] && !is_wanted(model, recorders->recorder[i].to))
			forget(&recorders->recorder[i]);
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const char *to = model->service[i].http.access_log;
		struct error later;

		if (!model->service[i].name[0] || !to[0])
			continue;
		if (err)
			follow(recorders, to, &later);
		else
			err = follow(recorders, to, error);
	}
	return err;
}

int recorders_pipe(const struct recorders *recorders, const struct model_service *service)
{
	const struct recorder *recorder = find((struct recorders *)recorders, service->http.access_log);

	return service->http.access_log[0] && recorder && recorder->to[0] ? recorder->pipe[1] : -1;
}

void recorders_leave(const struct recorders *recorders)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const struct recorder *recorder = &recorders->recorder[i];

		if (!recorder->to[0])
			continue;
		close(recorder->pipe[0]);
		if (recorder->process >= 0)
			close(recorder->process);
	}
}
