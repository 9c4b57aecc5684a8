// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/dispatch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The root of the bpffs that our pins are in; `to` has PATH_MAX bytes. */
static void find_bpffs(const struct place *place, char *to)
{
	struct stat inside, above;
	char *slash;

	strcpy(to, place->parent);
	while (!stat(to, &inside) && (slash = strrchr(to, '/')) && slash != to) {
		*slash = 0;
		if (stat(to, &above) || above.st_dev != inside.st_dev) {
			*slash = '/';
			break;
		}
	}
}

void dispatch_find(const struct place *place)
{
	char root[PATH_MAX];

	find_bpffs(place, root);
	setenv("LIBXDP_BPFFS", root, 0);
}

static const char *folder_of_all(char to[PATH_MAX])
{
	const char *root = getenv("LIBXDP_BPFFS");

	return root && snprintf(to, PATH_MAX, "%s/xdp", root) < PATH_MAX ? to : NULL;
}

void dispatch_forget(void)
{
	char path[PATH_MAX];

	if (folder_of_all(path))
		rmdir(path);
}

bool dispatch_is_ours(int stats, uint32_t program)
{
	struct bpf_map_info map = {};
	struct bpf_prog_info info = {};
	__u32 ids[8] = {}, size = sizeof(map);
	int fd, err;

	if (bpf_obj_get_info_by_fd(stats, &map, &size))
		return false;
	fd = bpf_prog_get_fd_by_id(program);
	if (fd < 0)
		return false;
	info.map_ids = (uintptr_t)ids;
	info.nr_map_ids = LENGTH(ids);
	size = sizeof(info);
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	for (__u32 i = 0; i < info.nr_map_ids && i < LENGTH(ids) && !err; i++)
		if (ids[i] == map.id)
			return true;
	return false;
}

/* The id of the program that a pin is, or that a pinned link is of. 0: neither. */
static uint32_t program_of(const char *pin)
{
	bool is_link = strlen(pin) > 5 && !strcmp(pin + strlen(pin) - 5, "-link");
	struct bpf_link_info link = {};
	struct bpf_prog_info program = {};
	__u32 size = is_link ? sizeof(link) : sizeof(program);
	int fd = bpf_obj_get(pin), err = -1;

	if (fd >= 0) {
		err = bpf_obj_get_info_by_fd(fd, is_link ? (void *)&link : (void *)&program, &size);
		close(fd);
	}
	return err ? 0 : is_link ? link.prog_id : program.id;
}

static void sweep_folder(int stats, const char *folder)
{
	DIR *dir = opendir(folder);
	char pin[PATH_MAX];
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    snprintf(pin, sizeof(pin), "%s/%s", folder, entry->d_name) < (int)sizeof(pin) &&
		    dispatch_is_ours(stats, program_of(pin)))
			unlink(pin);
	if (dir)
		closedir(dir);
	rmdir(folder); /* unless others are in there */
}

static bool is_attached(uint32_t index, uint32_t dispatcher)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return !bpf_xdp_query(index, 0, &opts) &&
	       (opts.prog_id == dispatcher || opts.skb_prog_id == dispatcher || opts.drv_prog_id == dispatcher);
}

/* Of a folder's name: "dispatch-INTERFACE-PROGRAM". */
static bool is_dispatcher(const char *name, uint32_t *ret_index, uint32_t *ret_program)
{
	int end = 0;

	return sscanf(name, "dispatch-%u-%u%n", ret_index, ret_program, &end) == 2 && end && !name[end];
}

static void sweep_all(int stats, uint32_t index, const char *path, DIR *dir)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	uint32_t its, dispatcher;

	while ((entry = readdir(dir)))
		if (is_dispatcher(entry->d_name, &its, &dispatcher) && its == index &&
		    !is_attached(index, dispatcher) &&
		    snprintf(folder, sizeof(folder), "%s/%s", path, entry->d_name) < (int)sizeof(folder))
			sweep_folder(stats, folder);
}

void dispatch_sweep(int stats, uint32_t index)
{
	char path[PATH_MAX];
	DIR *dir = folder_of_all(path) ? opendir(path) : NULL;

	if (!dir)
		return;
	if (!flock(dirfd(dir), LOCK_EX | LOCK_NB)) /* libxdp's own lock: who has it is making or removing one */
		sweep_all(stats, index, path, dir);
	closedir(dir);
}
