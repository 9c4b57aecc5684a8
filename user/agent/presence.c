// SPDX-License-Identifier: BSD-2-Clause
#include "agent/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/dataplane.h"

#define LOCK	 "agent.lock"
#define EVENTS	 "events.sock"
#define END_MS	 10000
#define FOLLOWED 16 /* who waits to be taken */

static int path_of(const char *name, char *to, size_t size, struct error *error)
{
	char folder[PATH_MAX];
	int err = dataplane_run_folder(folder, error);

	if (err)
		return err;
	if (snprintf(to, size, "%.*s/%s", (int)sizeof(folder) - 1, folder, name) >= (int)size)
		return failed(error, -ENAMETOOLONG, "the run folder %s has a name too long for sockets in it", folder);
	return 0;
}

/* Locks belong to the process, and the kernel tells whose one is. */
static struct flock whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

pid_t presence_pid(void)
{
	struct flock lock = whole_file();
	struct error ignored;
	char path[PATH_MAX];
	int fd, err;

	if (path_of(LOCK, path, sizeof(path), &ignored))
		return 0;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	err = fcntl(fd, F_GETLK, &lock);
	close(fd);
	return err || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

int presence_take(struct error *error)
{
	struct flock lock = whole_file();
	char path[PATH_MAX];
	int fd, err;

	err = path_of(LOCK, path, sizeof(path), error);
	if (err)
		return err;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(error, -errno, "cannot open %s: %s", path, strerror(errno));
	if (!fcntl(fd, F_SETLK, &lock))
		return fd;
	err = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
	close(fd);
	if (err == -EBUSY)
		return failed(error, err, "an agent is running already, process %d", (int)presence_pid());
	return failed(error, err, "cannot lock %s: %s", path, strerror(-err));
}

static int make_address(struct sockaddr_un *to, struct error *error)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return path_of(EVENTS, to->sun_path, sizeof(to->sun_path), error);
}

int presence_listen(struct error *error)
{
	struct sockaddr_un address;
	int fd, err = make_address(&address, error);
	mode_t mask;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(error, -errno, "cannot make a socket: %s", strerror(errno));
	unlink(address.sun_path); /* of an agent that is no more: this one holds the lock */
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, FOLLOWED) ? -errno : 0;
	umask(mask);
	if (!err)
		return fd;
	close(fd);
	return failed(error, err, "cannot listen on %s: %s", address.sun_path, strerror(-err));
}

int presence_connect(struct error *error)
{
	struct sockaddr_un address;
	int fd, err = make_address(&address, error);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(error, -errno, "cannot make a socket: %s", strerror(errno));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	if (err == -ENOENT || err == -ECONNREFUSED)
		return failed(error, -ENOENT, "no agent is running; start one: rcxlb load INTERFACE");
	return failed(error, err, "cannot connect to the agent at %s: %s", address.sun_path, strerror(-err));
}

int presence_end(struct error *error)
{
	pid_t pid = presence_pid();
	int handle, err = 0;

	if (!pid)
		return 0;
	handle = syscall(SYS_pidfd_open, pid, 0);
	if (handle < 0)
		return errno == ESRCH ? 0 : failed(error, -errno, "cannot reach the agent: %s", strerror(errno));
	if (presence_pid() == pid) { /* still: the handle is of this process and not of one with its number */
		struct pollfd end = { .fd = handle, .events = POLLIN };

		if (syscall(SYS_pidfd_send_signal, handle, SIGTERM, NULL, 0) && errno != ESRCH)
			err = failed(error, -errno, "cannot end the agent, process %d: %s", (int)pid, strerror(errno));
		else if (poll(&end, 1, END_MS) == 0)
			err = failed(error, -ETIMEDOUT,
				     "the agent, process %d, does not end; look at it, or kill -9 it", (int)pid);
	}
	close(handle);
	return err;
}

void presence_forget(void)
{
	struct error ignored;
	char path[PATH_MAX];

	if (!path_of(LOCK, path, sizeof(path), &ignored))
		unlink(path);
	if (!path_of(EVENTS, path, sizeof(path), &ignored))
		unlink(path);
}
