// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/pending.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rcxlb/abi.h"

struct header {
	char magic[8];
	uint32_t layout;
	uint32_t size;
	char pins[PATH_MAX]; /* whose change it is */
};

static struct header header_of(const struct place *place)
{
	struct header header = { "rcxlb", RCXLB_LAYOUT, sizeof(struct model), "" };

	snprintf(header.pins, sizeof(header.pins), "%s", place->pins);
	return header;
}

static const char *path_of(const struct place *place, const char *name, char *to)
{
	snprintf(to, PATH_MAX, "%.*s/%s", PATH_MAX - 32, place->run, name);
	return to;
}

static bool write_all(int fd, const void *from, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)from + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

bool pending_exists(const struct place *place)
{
	char path[PATH_MAX];

	return !access(path_of(place, "pending", path), F_OK);
}

int pending_write(const struct place *place, const struct model *model, struct error *error)
{
	const struct header header = header_of(place);
	char half[PATH_MAX], whole[PATH_MAX];
	int fd, err = 0;

	path_of(place, "pending-new", half);
	path_of(place, "pending", whole);
	fd = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(error, -errno, "cannot write %s: %s; nothing was changed", half, strerror(errno));
	if (!write_all(fd, &header, sizeof(header)) || !write_all(fd, model, sizeof(*model)))
		err = errno ? -errno : -EIO;
	close(fd);
	if (!err && rename(half, whole))
		err = -errno;
	if (err) {
		unlink(half);
		return failed(error, err, "cannot write %s: %s; nothing was changed", whole, strerror(-err));
	}
	return 0;
}

static bool read_all(int fd, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)to + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

int pending_read(const struct place *place, struct model *ret, struct error *error)
{
	const struct header header = header_of(place);
	struct header found;
	char path[PATH_MAX];
	bool whole;
	int fd;

	fd = open(path_of(place, "pending", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return failed(error, -errno, "cannot read %s: %s", path, strerror(errno));
	whole = read_all(fd, &found, sizeof(found)) && !memcmp(&found, &header, offsetof(struct header, pins)) &&
		read_all(fd, ret, sizeof(*ret));
	close(fd);
	found.pins[sizeof(found.pins) - 1] = 0;
	if (whole && strcmp(found.pins, header.pins))
		return failed(
		    error, -EBUSY,
		    "%s holds a change of the rcxlb whose pins are in %s: two cannot share a run folder, give each "
		    "its own RCXLB_RUN_DIR",
		    path, found.pins);
	if (!whole)
		return failed(
		    error, -EPROTO,
		    "%s holds a change that another version of rcxlb did not complete: remove the file, then look at "
		    "rcxlb status",
		    path);
	return 0;
}

void pending_remove(const struct place *place)
{
	char path[PATH_MAX];

	unlink(path_of(place, "pending", path));
	unlink(path_of(place, "pending-new", path));
}
