// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/others.h"

#define BPFFS	 "/sys/fs/bpf"
#define PINS	 BPFFS "/rcxlb"
#define RUN	 "/run/rcxlb"
#define SPARE	 32	/* bytes for the names below a folder */
#define BUILDING "-new" /* behind the name of the pin folder: where a load builds it */

static int from_environment(const char *name, const char *otherwise, char *to, struct error *error)
{
	const char *value = getenv(name);

	if (!value || !*value)
		value = otherwise;
	if (value[0] != '/')
		return failed(error, -EINVAL, "%s is '%s': give an absolute path", name, value);
	if (strlen(value) >= PATH_MAX - SPARE)
		return failed(error, -ENAMETOOLONG, "%s is too long", name);
	strcpy(to, value);
	for (size_t length = strlen(to); length > 1 && to[length - 1] == '/'; length--)
		to[length - 1] = 0;
	return 0;
}

int place_find(struct place *ret, struct error *error)
{
	char copy[PATH_MAX];
	int err;

	err = from_environment("RCXLB_PIN_DIR", PINS, ret->pins, error);
	if (!err)
		err = from_environment("RCXLB_RUN_DIR", RUN, ret->run, error);
	if (err)
		return err;
	strcpy(copy, ret->pins);
	strcpy(ret->parent, dirname(copy));
	if (strchr(strrchr(ret->pins, '/'), '.'))
		return failed(error, -EINVAL, "RCXLB_PIN_DIR is '%s': a bpffs takes no names with dots, choose another",
			      ret->pins);
	if (strlen(ret->pins) >= strlen(BUILDING) &&
	    !strcmp(ret->pins + strlen(ret->pins) - strlen(BUILDING), BUILDING))
		return failed(error, -EINVAL,
			      "RCXLB_PIN_DIR is '%s': a load builds in a folder whose name ends in " BUILDING
			      ", choose another",
			      ret->pins);
	return 0;
}

struct place place_building(const struct place *place)
{
	struct place building = *place;

	snprintf(building.pins, sizeof(building.pins), "%.*s" BUILDING, PATH_MAX - SPARE, place->pins);
	return building;
}

const char *place_pin(const struct place *place, const char *name, char *to)
{
	snprintf(to, PATH_MAX, "%.*s/%s", PATH_MAX - SPARE, place->pins, name);
	return to;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* Is the file system with this device number mounted in the mount namespace of a process? -errno when it cannot be
 * known. */
static int is_mounted(const char *mountinfo, dev_t device)
{
	unsigned int major_number, minor_number;
	bool found = false;
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(mountinfo, "re");

	if (!file)
		return -errno;
	while (!found && getline(&line, &size, file) > 0)
		found = sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) == 2 &&
			makedev(major_number, minor_number) == device;
	free(line);
	fclose(file);
	return found;
}

/*
 * A bpffs that only this mount namespace sees ends with its last process, and pins and links with it: `ip netns exec`
 * gives each command such a namespace, with a /sys of its own.
 */
static int check_lasting(const struct place *place, struct error *error)
{
	struct stat ours;

	if (stat(place->parent, &ours) || is_mounted("/proc/1/mountinfo", ours.st_dev) != 0)
		return 0;
	return failed(error, -ENOTSUP,
		      "the bpffs at %s is private to this command and would end with it (ip netns exec does that); "
		      "use: nsenter --net=/run/netns/NAME rcxlb load ...",
		      place->parent);
}

static bool mount_would_vanish(void)
{
	struct stat ours, first;

	return !stat("/proc/self/ns/mnt", &ours) && !stat("/proc/1/ns/mnt", &first) && ours.st_ino != first.st_ino;
}

static int mount_bpffs(const struct place *place, struct error *error)
{
	if (strcmp(place->parent, BPFFS))
		return failed(error, -ENOTDIR, "%s is not in a bpffs: set RCXLB_PIN_DIR to a folder in one, as " PINS,
			      place->pins);
	if (mount_would_vanish())
		return failed(
		    error, -ENOTSUP,
		    "no bpffs is mounted here, and one that this command mounts would end with it (ip netns exec "
		    "does that); use: nsenter --net=/run/netns/NAME rcxlb load ...");
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return failed_in_kernel(error, -errno,
					"cannot mount a bpffs at " BPFFS ": %s; rcxlb needs root (CAP_SYS_ADMIN)",
					strerror(errno));
	return 0;
}

int place_prepare(const struct place *place, struct error *error)
{
	if (!is_bpffs(place->parent)) {
		int err = mount_bpffs(place, error);

		if (err)
			return err;
	}
	return check_lasting(place, error);
}

/*
 * Without these the kernel refuses some steps of a change and permits others. CAP_SYS_ADMIN: to open programs and maps
 * by id, which is also how tables are read.
 */
static int check_capabilities(struct error *error)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	const uint32_t needed = 1u << CAP_SYS_ADMIN | 1u << CAP_NET_ADMIN;

	if (!syscall(SYS_capget, &header, data) && (data[0].effective & needed) == needed)
		return 0;
	return failed(error, -EPERM, "rcxlb needs root: this process lacks CAP_SYS_ADMIN or CAP_NET_ADMIN");
}

/* Whoever could write there would decide what the next command makes of the state, and could take the lock away. */
static int check_run(const struct place *place, struct error *error)
{
	struct stat stat_of;

	if (lstat(place->run, &stat_of))
		return failed(error, -errno, "cannot look at %s: %s", place->run, strerror(errno));
	if (!S_ISDIR(stat_of.st_mode))
		return failed(error, -ENOTDIR, "%s is no folder; remove it, or set RCXLB_RUN_DIR", place->run);
	if (others_own(&stat_of, geteuid()))
		return failed(error, -EPERM,
			      "the folder %s belongs to the user %u; remove it, or set RCXLB_RUN_DIR to one of root's",
			      place->run, (unsigned int)stat_of.st_uid);
	if (stat_of.st_mode & (S_IWGRP | S_IWOTH))
		return failed(
		    error, -EPERM,
		    "the folder %s can be written by others (mode %04o); run chmod go-w %s, or set RCXLB_RUN_DIR",
		    place->run, (unsigned int)(stat_of.st_mode & 07777), place->run);
	return 0;
}

/* -ENOENT: an unload took the folder away meanwhile. */
static int open_lock(const struct place *place, const char *path, struct error *error)
{
	int lock, err;

	if (mkdir(place->run, 0700) && errno != EEXIST)
		return failed(error, errno == ENOENT ? -ENOTDIR : -errno,
			      "cannot make the folder %s: %s; rcxlb needs root, or RCXLB_RUN_DIR elsewhere", place->run,
			      strerror(errno));
	err = check_run(place, error);
	if (err)
		return err;
	lock = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0600);
	if (lock < 0)
		return failed(error, -errno, "cannot open %s: %s; rcxlb needs root, or RCXLB_RUN_DIR elsewhere", path,
			      strerror(errno));
	return lock;
}

/* A file that was removed while somebody waited for it would be a lock that nobody else sees. */
static bool is_there(int lock, const char *path)
{
	struct stat held, there;

	return !fstat(lock, &held) && !stat(path, &there) && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

int place_lock(const struct place *place, int how, struct error *error)
{
	char path[PATH_MAX];
	int lock, err = how & LOCK_EX ? check_capabilities(error) : 0;

	if (err)
		return err;
	snprintf(path, sizeof(path), "%.*s/lock", PATH_MAX - SPARE, place->run);
	for (;;) {
		lock = open_lock(place, path, error);
		if (lock == -ENOENT)
			continue;
		if (lock < 0)
			return lock;
		do {
			err = flock(lock, how) ? -errno : 0;
		} while (err == -EINTR);
		if (!err && is_there(lock, path))
			return lock;
		close(lock);
		if (err == -EAGAIN)
			return failed(error, err, "somebody else holds the lock %s", path);
		if (err)
			return failed(error, err, "cannot lock %s: %s", path, strerror(-err));
	}
}

void place_forget(const struct place *place, int lock)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s/lock", PATH_MAX - SPARE, place->run);
	if (!is_there(lock, path))
		return;
	unlink(path);
	rmdir(place->run);
}

/* Something else may have been mounted over it. */
static int open_cgroup(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs is;

	if (fd < 0 || (!fstatfs(fd, &is) && is.f_type == CGROUP2_SUPER_MAGIC))
		return fd;
	close(fd);
	return -1;
}

int place_cgroup(struct error *error)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	int fd = -1;

	if (!mounts)
		return failed(error, -errno, "cannot read /proc/self/mounts: %s", strerror(errno));
	while (fd < 0 && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2"))
			fd = open_cgroup(entry->mnt_dir);
	endmntent(mounts);
	if (fd < 0)
		return failed(
		    error, -ENOENT,
		    "no cgroup v2 is mounted, and without it no listening socket is seen; mount it: mount -t cgroup2 "
		    "none /sys/fs/cgroup");
	return fd;
}

int place_remove(const char *folder, const char *last)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, last))
			unlinkat(dirfd(dir), entry->d_name, 0);
	unlinkat(dirfd(dir), last, 0);
	closedir(dir);
	return rmdir(folder) ? -errno : 0;
}
