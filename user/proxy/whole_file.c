// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/others.h"

/* Whoever reads it may do more than those who could say what is in it. */
static int check_ours(const char *what, const char *path, const struct stat *st, struct error *error)
{
	if (others_own(st, geteuid()))
		return failed(error, -EPERM,
			      "%s %s belongs to the user %u, who can change it at any time: run chown root %s", what,
			      path, (unsigned int)st->st_uid, path);
	if (others_may_write(st))
		return failed(error, -EPERM, "%s %s can be written by others (mode %04o): run chmod go-w %s", what,
			      path, (unsigned int)(st->st_mode & 07777), path);
	return 0;
}

/* The file that was opened is judged, not its name: the name may be given to another one meanwhile. */
static int check_file(int fd, const char *what, const char *path, const struct whole_file_rules *rules,
		      size_t *ret_size, struct error *error)
{
	struct stat st;

	if (fstat(fd, &st))
		return failed(error, -errno, "%s %s: %s", what, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return failed(error, -EINVAL, "%s %s is not a regular file", what, path);
	if (rules->private && (st.st_mode & 077))
		return failed(error, -EPERM, "%s %s may be used by others than its owner (mode %04o): run chmod 600 %s",
			      what, path, (unsigned int)(st.st_mode & 07777), path);
	if (rules->is_barred && rules->is_barred(st.st_uid))
		return failed(
		    error, -EPERM,
		    "%s %s belongs to the user %u, as whom workers run, and they must not read it: run chown root %s",
		    what, path, (unsigned int)st.st_uid, path);
	if (rules->ours && check_ours(what, path, &st, error))
		return -EPERM;
	if ((size_t)st.st_size > rules->most)
		return failed(error, -EFBIG, "%s %s has %lld bytes: at most %zu are read", what, path,
			      (long long)st.st_size, rules->most);
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int read_all(int fd, char *to, size_t size, size_t *ret_size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, to + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*ret_size = have;
	return 0;
}

int whole_file_read(const char *what, const char *path, const struct whole_file_rules *rules, char **ret,
		    size_t *ret_size, struct error *error)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (rules->ours ? O_NOFOLLOW : 0);
	int fd = open(path, flags);
	size_t size = 0;
	int err;

	if (fd < 0 && rules->ours && errno == ELOOP)
		return failed(error, -ELOOP, "%s %s is a symbolic link: give the path of the file itself", what, path);
	if (fd < 0)
		return failed(error, -errno, "%s %s cannot be opened: %s", what, path, strerror(errno));
	err = check_file(fd, what, path, rules, &size, error);
	if (!err) {
		*ret = malloc(size + 1);
		*ret_size = size;
		err = *ret ? 0 : failed(error, -ENOMEM, "%s %s: no memory", what, path);
	}
	if (!err) {
		err = read_all(fd, *ret, size, ret_size);
		if (err) {
			error_set(error, "%s %s cannot be read: %s", what, path, strerror(-err));
			explicit_bzero(*ret, size);
			free(*ret);
			*ret = NULL;
		}
	}
	close(fd);
	return err;
}
