// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/remember.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/dataplane.h"
#include "dataplane/handle.h"

static const char *path_of(const struct place *place, const char *name, char *to)
{
	snprintf(to, PATH_MAX, "%.*s/%s", PATH_MAX - 32, place->run, name);
	return to;
}

void remember_nothing(const struct place *place)
{
	char path[PATH_MAX];

	unlink(path_of(place, "file", path));
	unlink(path_of(place, "file-new", path));
}

int dataplane_remember(struct dataplane *dataplane, const char *file, struct error *error)
{
	char half[PATH_MAX], whole[PATH_MAX];
	size_t length = strlen(file);
	int fd, err = 0;

	path_of(&dataplane->place, "file-new", half);
	path_of(&dataplane->place, "file", whole);
	fd = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		err = -errno;
	errno = EIO;
	if (!err && write(fd, file, length) != (ssize_t)length)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (!err && rename(half, whole))
		err = -errno;
	if (!err)
		return 0;
	remember_nothing(&dataplane->place);
	return failed(error, err, "cannot note the name of the file in %s: %s", whole, strerror(-err));
}

int dataplane_remembered(char *to, struct error *error)
{
	struct place place;
	char path[PATH_MAX];
	ssize_t length;
	int fd, err;

	err = place_find(&place, error);
	if (err)
		return err;
	fd = open(path_of(&place, "file", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return failed(error, -errno, "cannot read %s: %s", path, strerror(errno));
	length = read(fd, to, PATH_MAX - 1);
	err = length < 0 ? -errno : 0;
	close(fd);
	if (err || !length)
		return failed(error, err ? err : -EPROTO, "cannot read %s: %s", path,
			      err ? strerror(-err) : "it is empty; name the file with -c");
	to[length] = 0;
	return 0;
}
