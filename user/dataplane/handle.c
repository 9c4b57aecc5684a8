// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/handle.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/answers.h"
#include "core/model.h"

const char *const map_names[MAPS] = {
#define X(name) #name,
	DATAPLANE_MAPS(X)
#undef X
};

const char *const iterator_names[ITERATORS] = {
#define X(name) #name,
	DATAPLANE_ITERATORS(X)
#undef X
};

const struct note notes[NOTES] = {
	{ MAP_members, offsetof(struct model_service, member) }, { MAP_checks, offsetof(struct model_service, check) },
	{ MAP_tls, offsetof(struct model_service, tls) },	 { MAP_http, offsetof(struct model_service, http) },
	{ MAP_proxy, offsetof(struct model_service, proxy) },
};

struct dataplane handle_none(const struct place *place)
{
	struct dataplane none = { .place = *place, .lock = -1 };

	for (int i = 0; i < MAPS; i++)
		none.map[i] = -1;
	for (int i = 0; i < ITERATORS; i++)
		none.iterator[i] = -1;
	return none;
}

void handle_close_maps(struct dataplane *dataplane)
{
	answers_unmap(dataplane->answers);
	dataplane->answers = NULL;
	for (int i = 0; i < MAPS; i++) {
		if (dataplane->map[i] >= 0)
			close(dataplane->map[i]);
		dataplane->map[i] = -1;
	}
	for (int i = 0; i < ITERATORS; i++) {
		if (dataplane->iterator[i] >= 0)
			close(dataplane->iterator[i]);
		dataplane->iterator[i] = -1;
	}
}

int handle_is_loaded(const struct place *place, struct error *error)
{
	char path[PATH_MAX];

	if (!access(place_pin(place, LINK_STEER, path), F_OK))
		return 1;
	if (errno == ENOENT || errno == ENOTDIR)
		return 0;
	return failed(error, -errno, "cannot look into %s: %s; rcxlb needs root", place->pins, strerror(errno));
}

bool handle_is_orphaned(const struct place *place)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[PATH_MAX];
	int link = bpf_obj_get(place_pin(place, LINK_STEER, path));
	bool orphaned = link >= 0 && !bpf_obj_get_info_by_fd(link, &info, &size) && !info.netns.netns_ino;

	if (link >= 0)
		close(link);
	return orphaned;
}

int handle_lock(const struct place *place, struct dataplane *ret, int *ret_loaded, struct error *error)
{
	*ret = handle_none(place);
	ret->lock = place_lock(place, LOCK_EX, error);
	if (ret->lock < 0)
		return ret->lock;
	*ret_loaded = handle_is_loaded(place, error);
	return 0;
}

int handle_change_crew(int map, const uint32_t *from, const struct rcxlb_crew *to)
{
	struct rcxlb_crew *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0), seen,
			  wished;
	int err = 0;

	if (shared == MAP_FAILED)
		return -errno;
	__atomic_load(shared, &seen, __ATOMIC_ACQUIRE);
	do {
		wished = *to;
		if (seen.number == RCXLB_CREW_DISMISSED)
			err = -ESHUTDOWN;
		else if (from && seen.number != *from)
			err = -ESTALE;
	} while (!err && !__atomic_compare_exchange(shared, &seen, &wished, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	munmap(shared, sizeof(*shared));
	return err;
}

static int open_map(struct dataplane *dataplane, int which, struct error *error)
{
	char path[PATH_MAX];
	int map = bpf_obj_get(place_pin(&dataplane->place, map_names[which], path));

	if (map < 0)
		return failed_in_kernel(error, map, "cannot open %s: %s%s", path, strerror(-map),
					map == -EPERM ? "; rcxlb needs root (CAP_BPF)" : "");
	dataplane->map[which] = map;
	return 0;
}

int handle_netns_cookie(uint64_t *ret, struct error *error)
{
	socklen_t size = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return failed(error, -errno, "cannot make a socket: %s", strerror(errno));
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &size))
		err = failed(error, -errno,
			     "this kernel does not name its network namespaces (SO_NETNS_COOKIE): rcxlb needs "
			     "Linux 5.17 or later");
	close(fd);
	return err;
}

static int read_meta(struct dataplane *dataplane, struct error *error)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info), zero = 0;
	int err = open_map(dataplane, MAP_meta, error);

	if (err)
		return err;
	if (bpf_obj_get_info_by_fd(dataplane->map[MAP_meta], &info, &size) ||
	    info.value_size != sizeof(dataplane->meta) ||
	    bpf_map_lookup_elem(dataplane->map[MAP_meta], &zero, &dataplane->meta) ||
	    dataplane->meta.layout != RCXLB_LAYOUT)
		return failed(
		    error, -EPROTO,
		    "the state in %s has another layout than %d, this program's: use the rcxlb that loaded it, or "
		    "run rcxlb unload and load anew",
		    dataplane->place.pins, RCXLB_LAYOUT);
	return 0;
}

/* Sockets and interfaces are looked up where the command runs. */
static int check_netns(struct dataplane *dataplane, struct error *error)
{
	uint64_t cookie = 0;
	int err = handle_netns_cookie(&cookie, error);

	if (err || cookie == dataplane->meta.netns_cookie)
		return err;
	if (handle_is_orphaned(&dataplane->place))
		return failed(error, -EXDEV,
			      "%s is loaded for a network namespace that has ended: load anew, or unload",
			      dataplane->place.pins);
	return failed(error, -EXDEV,
		      "%s is loaded for another network namespace: enter that (nsenter --net=/run/netns/NAME), or set "
		      "RCXLB_PIN_DIR and RCXLB_RUN_DIR to other folders for this one",
		      dataplane->place.pins);
}

int handle_open_maps(struct dataplane *dataplane, struct error *error)
{
	int err = handle_is_ours(dataplane->place.pins, error);

	if (err >= 0)
		err = read_meta(dataplane, error);
	if (!err)
		err = check_netns(dataplane, error);
	for (int i = 0; i < MAPS && !err; i++)
		if (i != MAP_meta)
			err = open_map(dataplane, i, error);
	return err;
}

/* Told by the map `meta`, which is pinned first. */
static bool holds_meta(const char *folder)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	char path[PATH_MAX + 8];
	int map, err;

	snprintf(path, sizeof(path), "%s/%s", folder, map_names[MAP_meta]);
	map = bpf_obj_get(path);
	if (map < 0)
		return false;
	err = bpf_obj_get_info_by_fd(map, &info, &size);
	close(map);
	return !err && info.type == BPF_MAP_TYPE_ARRAY && !strcmp(info.name, map_names[MAP_meta]) &&
	       info.value_size >= 2 * sizeof(__u32);
}

int handle_is_ours(const char *path, struct error *error)
{
	struct dirent *entry;
	bool empty = true;
	DIR *dir = opendir(path);

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return failed(error, -errno, "cannot look into %s: %s; rcxlb needs root", path, strerror(errno));
	while ((entry = readdir(dir)))
		empty = empty && entry->d_name[0] == '.';
	closedir(dir);
	if (holds_meta(path))
		return 1;
	return failed(error, -EEXIST,
		      "%s %s, and rcxlb did not make it: remove it, or set RCXLB_PIN_DIR to another folder", path,
		      empty ? "is an empty folder" : "holds somebody else's pins");
}

static int open_iterator(struct dataplane *dataplane, int which, struct error *error)
{
	char path[PATH_MAX];
	int link = dataplane->iterator[which];

	if (link >= 0)
		return link;
	link = bpf_obj_get(place_pin(&dataplane->place, iterator_names[which], path));
	if (link < 0)
		return failed_in_kernel(error, link, "cannot open %s: %s", path, strerror(-link));
	dataplane->iterator[which] = link;
	return link;
}

int handle_open_iterators(struct dataplane *dataplane, struct error *error)
{
	int err = 0;

	for (int i = 0; i < ITERATORS && err >= 0; i++)
		err = open_iterator(dataplane, i, error);
	return err < 0 ? err : 0;
}

long handle_iterate(struct dataplane *dataplane, enum dataplane_iterator which, void *to, size_t size,
		    struct error *error)
{
	char spill[4096];
	size_t got = 0;
	long err = 0;
	int fd;

	fd = open_iterator(dataplane, which, error);
	if (fd < 0)
		return fd;
	fd = bpf_iter_create(fd);
	if (fd < 0)
		return failed_in_kernel(error, fd, "cannot run the program `%s`: %s", iterator_names[which],
					strerror(-fd));
	for (;;) {
		bool room = got < size;
		ssize_t n = room ? read(fd, (char *)to + got, size - got) : read(fd, spill, sizeof(spill));

		if (n < 0 && (errno == EINTR || (errno == EAGAIN && which == ITERATOR_holders)))
			continue;	      /* after a million files the kernel takes a breath */
		if (n < 0 && errno != EAGAIN) /* the program said that it has seen enough */
			err = failed(error, -errno, "the program `%s` stopped: %s", iterator_names[which],
				     strerror(errno));
		if (n <= 0)
			break;
		if (room)
			got += n;
	}
	close(fd);
	return err ? err : (long)got;
}
