// SPDX-License-Identifier: BSD-2-Clause
#include "agent/webroot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/log.h"

#define CHALLENGES  ".well-known/acme-challenge"
#define NAMES_MAX   1024 /* in one folder: the others are not looked at */
#define CONTENT_MAX (HTTP_CHALLENGE_TEXT + 16)

struct http_challenges *webroot_new(void)
{
	void *memory =
	    mmap(NULL, sizeof(struct http_challenges), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void webroot_seal(struct http_challenges *shared)
{
	mprotect(shared, sizeof(*shared), PROT_READ);
}

void webroot_free(struct http_challenges *shared)
{
	munmap(shared, sizeof(*shared));
}

/* Whoever may write below the folder decides nothing about the rest of the host. */
static int open_below(int folder, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
}

static void take_file(struct http_challenges *to, const char *folder, int challenges, const char *name)
{
	char content[CONTENT_MAX];
	struct stat stat;
	ssize_t n = -1;
	int fd = open_below(challenges, name, 0);

	if (fd < 0)
		return;
	if (!fstat(fd, &stat) && S_ISREG(stat.st_mode) && stat.st_size <= CONTENT_MAX)
		n = read(fd, content, sizeof(content));
	close(fd);
	if (n > 0)
		http_challenges_add(to, folder, (struct http1_span){ name, strlen(name) },
				    (struct http1_span){ content, (size_t)n });
}

static void take_files(struct http_challenges *to, const char *folder, int challenges)
{
	DIR *names = fdopendir(challenges);
	struct dirent *entry;

	if (!names) {
		close(challenges);
		return;
	}
	for (int i = 0; i < NAMES_MAX && (entry = readdir(names)); i++)
		if (http_challenge_is_token((struct http1_span){ entry->d_name, strlen(entry->d_name) }))
			take_file(to, folder, dirfd(names), entry->d_name);
	closedir(names);
}

/* 0, or -errno: there is no such folder. */
static int take_folder(struct http_challenges *to, const char *folder)
{
	int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), challenges, err = errno;

	if (root < 0)
		return -err;
	challenges = open_below(root, CHALLENGES, O_DIRECTORY);
	err = errno;
	close(root);
	if (challenges >= 0)
		take_files(to, folder, challenges);
	return challenges >= 0 || err == ENOENT ? 0 : -err;
}

static bool was_seen(const struct model *model, uint32_t before, const char *folder)
{
	for (uint32_t i = 0; i < before; i++)
		if (model->service[i].name[0] && !strcmp(model->service[i].http.acme, folder))
			return true;
	return false;
}

void webroot_look(struct http_challenges *shared, const struct model *model, struct error *lacked)
{
	static struct http_challenges now;
	struct error lacks = { "" };

	now.count = 0;
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const struct model_service *service = &model->service[id];
		int err = 0;

		if (service->name[0] && service->http.acme[0] && !was_seen(model, id, service->http.acme))
			err = take_folder(&now, service->http.acme);
		if (err && !lacks.text[0])
			error_set(&lacks, "service %s: cannot look into %s for answers to challenges: %s",
				  service->name, service->http.acme, strerror(-err));
	}
	http_challenges_publish(shared, &now);
	if (lacks.text[0] && strcmp(lacks.text, lacked->text))
		log_line("%s", lacks.text);
	*lacked = lacks;
}
