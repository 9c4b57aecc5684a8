// SPDX-License-Identifier: BSD-2-Clause
#include "agent/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/version.h"
#include "dataplane/dataplane.h"

#define LOCK	 "agent.lock"
#define EVENTS	 "events.sock"
#define END_MS	 10000
#define FOLLOWED 64 /* who waits to be taken */

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

/*
 * Locks belong to the process, and the kernel tells whose one is. One byte of the file is locked as long as the agent
 * lives, another one while it starts, and the last one by its supervisor: shared, as a former one may still have to
 * end.
 */
enum lock_byte {
	BYTE_ALIVE,
	BYTE_STARTING,
	BYTE_SUPERVISED,
};

static struct flock lock_of(enum lock_byte byte, short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
}

static int lock_byte(int fd, enum lock_byte byte, short type, int how)
{
	struct flock lock = lock_of(byte, type);
	int err;

	do {
		err = fcntl(fd, how, &lock) ? -errno : 0;
	} while (err == -EINTR);
	return err == -EACCES || err == -EAGAIN ? -EBUSY : err;
}

static int open_lock(int flags)
{
	struct error ignored;
	char path[PATH_MAX];
	int fd;

	if (path_of(LOCK, path, sizeof(path), &ignored))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* Who has locked it; 0: nobody. */
static pid_t holder(enum lock_byte byte)
{
	struct flock lock = lock_of(byte, F_WRLCK);
	int fd = open_lock(0), err;

	if (fd < 0)
		return 0;
	err = fcntl(fd, F_GETLK, &lock);
	close(fd);
	return err || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

pid_t presence_pid(void)
{
	return holder(BYTE_ALIVE);
}

bool presence_lacks_supervisor(void)
{
	return presence_pid() && !holder(BYTE_STARTING) && !holder(BYTE_SUPERVISED);
}

int presence_supervise(void)
{
	int fd = open_lock(0), err = fd < 0 ? fd : lock_byte(fd, BYTE_SUPERVISED, F_RDLCK, F_SETLK);

	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

int presence_await(struct error *error)
{
	int fd = open_lock(0), err = fd < 0 ? fd : lock_byte(fd, BYTE_STARTING, F_RDLCK, F_SETLKW);

	if (fd >= 0)
		close(fd);
	if (!err && presence_pid())
		return 0;
	return failed(error, -ECHILD, "another command was starting the agent, and it ended; load again");
}

bool presence_is_other(void)
{
	char version[sizeof(rcxlb_version)] = "";
	int fd = presence_pid() ? open_lock(0) : -1;
	ssize_t length;

	if (fd < 0)
		return false;
	length = pread(fd, version, sizeof(version), 0);
	close(fd);
	return length != sizeof(version) || memcmp(version, rcxlb_version, sizeof(version));
}

/* Where it cannot be written, the next load replaces an agent that could have stayed. */
static void note_version(int fd)
{
	bool noted = !ftruncate(fd, 0) && pwrite(fd, rcxlb_version, sizeof(rcxlb_version), 0) > 0;

	(void)noted;
}

/*
 * The starting one first: others wait there until this one is the agent, or is not. The version is there before the
 * other one is held, so that nobody sees an agent without it.
 */
static int lock_both(int fd)
{
	struct flock alive = lock_of(BYTE_ALIVE, F_WRLCK);
	int err = lock_byte(fd, BYTE_STARTING, F_WRLCK, F_SETLKW);

	if (err)
		return err;
	if (fcntl(fd, F_GETLK, &alive))
		return -errno;
	if (alive.l_type != F_UNLCK)
		return -EBUSY;
	note_version(fd);
	return lock_byte(fd, BYTE_ALIVE, F_WRLCK, F_SETLK);
}

/* A file that an unload removed in between would be a lock that nobody else sees. */
static bool is_there(int fd, const char *path)
{
	struct stat held, there;

	return !fstat(fd, &held) && !stat(path, &there) && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

int presence_take(struct error *error)
{
	char path[PATH_MAX];
	int fd, err;

	err = path_of(LOCK, path, sizeof(path), error);
	if (err)
		return err;
	for (;;) {
		fd = open_lock(O_CREAT);
		if (fd < 0)
			return failed(error, fd, "cannot open %s: %s", path, strerror(-fd));
		err = lock_both(fd);
		if (!err && is_there(fd, path))
			return fd;
		close(fd);
		if (err == -EBUSY)
			return failed(error, err, "an agent is running already, process %d", (int)presence_pid());
		if (err)
			return failed(error, err, "cannot lock %s: %s", path, strerror(-err));
	}
}

void presence_announce(int lock)
{
	lock_byte(lock, BYTE_STARTING, F_UNLCK, F_SETLK);
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
	int lock = open_lock(0);

	if (lock < 0)
		return;
	if (!lock_byte(lock, BYTE_ALIVE, F_WRLCK, F_SETLK)) { /* else one was started a moment ago */
		if (!path_of(EVENTS, path, sizeof(path), &ignored))
			unlink(path);
		if (!path_of(LOCK, path, sizeof(path), &ignored))
			unlink(path);
	}
	close(lock);
}
