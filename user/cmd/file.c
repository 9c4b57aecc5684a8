// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/certificates.h"
#include "config/tree.h"
#include "core/others.h"
#include "proxy/http_page.h"

/* Whoever can write the file decides where the host's clients go. */
static void warn_of_others(const char *path, const struct stat *stat)
{
	if (others_own(stat, geteuid()))
		fprintf(stderr,
			"rcxlb: warning: %s belongs to the user %u, who can change it at any time; see: chown root\n",
			path, (unsigned int)stat->st_uid);
	else if (others_may_write(stat))
		fprintf(stderr, "rcxlb: warning: %s can be written by others (mode %04o); see: chmod go-w\n", path,
			(unsigned int)(stat->st_mode & 07777));
}

/* Whoever knows the key can send all of his connections to one instance. */
static void warn_of_readers(const char *path, const struct stat *stat, const struct model *model)
{
	if ((model->hash_key[0] | model->hash_key[1]) && others_may_read(stat))
		fprintf(stderr,
			"rcxlb: warning: %s holds the hash key, a secret, and can be read by others (mode %04o); see: "
			"chmod go-r\n",
			path, (unsigned int)(stat->st_mode & 07777));
}

/* Its bytes, the caller's, one more than a configuration can have at most. */
static int read_bytes(int fd, const char *path, char **ret, size_t *ret_size, struct error *error)
{
	size_t room = TREE_MOST_BYTES + 1, done = 0;
	char *bytes = malloc(room);
	ssize_t n = 1;

	if (!bytes)
		return failed(error, -ENOMEM, "out of memory");
	while (done < room && n) {
		n = read(fd, bytes + done, room - done);
		if (n < 0 && errno != EINTR) {
			free(bytes);
			return failed(error, -errno, "cannot read %s: %s", path, strerror(errno));
		}
		done += n > 0 ? n : 0;
	}
	*ret = bytes;
	*ret_size = done;
	return 0;
}

/* Does not wait for the other end of a pipe that somebody calls a file. */
static int open_regular(const char *path, struct stat *ret, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return failed(error, -errno, "cannot open the configuration %s: %s", path, strerror(errno));
	if (fstat(fd, ret) || !S_ISREG(ret->st_mode)) {
		close(fd);
		return failed(error, -EBADF, "the configuration %s is no regular file", path);
	}
	warn_of_others(path, ret);
	return fd;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_has_changed(const char *path, const struct stat *as_read)
{
	struct stat now;

	return stat(path, &now) || now.st_dev != as_read->st_dev || now.st_ino != as_read->st_ino ||
	       now.st_size != as_read->st_size || !same_time(&now.st_mtim, &as_read->st_mtim) ||
	       !same_time(&now.st_ctim, &as_read->st_ctim);
}

static int print_mistakes(const char *path, const struct mistakes *mistakes, struct error *error)
{
	for (uint32_t i = 0; i < mistakes->count; i++)
		fprintf(stderr, "%s:%u: %s\n", path, mistakes->entry[i].line, mistakes->entry[i].text);
	return failed(error, -EBADMSG, "%s has %s%u mistake%s; nothing was changed", path,
		      mistakes->more ? "more than " : "", mistakes->count, mistakes->count == 1 ? "" : "s");
}

static void check_pages(const struct config *config, struct mistakes *mistakes)
{
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const struct model_service *service = &config->model.service[id];

		for (uint32_t i = 0; service->name[0] && i < service->http.error_pages; i++) {
			struct http_page page;
			struct error error;

			if (http_page_read(service->http.error_page[i].file, &page, &error))
				mistake_from(mistakes, config->error_page[id][i], service->name, &error);
			http_page_free(&page);
		}
	}
}

int folder_check(const char *folder, struct error *error)
{
	struct stat stat_of;

	if (stat(folder, &stat_of) || !S_ISDIR(stat_of.st_mode))
		return failed(error, -ENOENT, "there is no folder %s; make it: mkdir -p %s", folder, folder);
	return 0;
}

static void check_folders(const struct config *config, struct mistakes *mistakes)
{
	struct error error;

	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const struct model_service *service = &config->model.service[id];

		if (service->name[0] && service->http.acme[0] && folder_check(service->http.acme, &error))
			mistake_from(mistakes, config->acme[id], service->name, &error);
	}
}

/* As the process will see it that writes the log. */
static int log_check(const char *path, const char *folder, struct error *error)
{
	struct stat stat_of;

	if (folder[0] && folder_check(folder, error))
		return -ENOENT;
	if (lstat(path, &stat_of))
		return 0;
	if (S_ISLNK(stat_of.st_mode))
		return failed(error, -ELOOP, "the access log is a symbolic link; give the path of the file itself");
	if (S_ISREG(stat_of.st_mode) && stat_of.st_nlink > 1)
		return failed(error, -EMLINK,
			      "the access log has another name as well, by a hard link; give another path");
	return 0;
}

/* They could give lines to whom they like, and end the log. */
static void warn_of_folder(const char *folder)
{
	struct stat stat_of;

	if (!stat(folder, &stat_of) && (others_own(&stat_of, geteuid()) || others_may_write(&stat_of)))
		fprintf(stderr,
			"rcxlb: warning: %s, where an access log is written, can be written by others than root; see: "
			"chown root, chmod go-w\n",
			folder);
}

static bool was_checked(const struct config *config, uint32_t before, const char *to)
{
	for (uint32_t id = 0; id < before; id++)
		if (!strcmp(config->model.service[id].http.access_log, to))
			return true;
	return false;
}

/* Said now, and not by the log of a process that comes later. */
static void check_logs(const struct config *config, struct mistakes *mistakes)
{
	char folder[RCXLB_PATH_LEN];
	struct error error;

	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const char *to = config->model.service[id].http.access_log;

		if (to[0] != '/')
			continue;
		snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(to, '/') - to), to);
		if (log_check(to, folder, &error))
			mistake_from(mistakes, config->access_log[id], to, &error);
		else if (!was_checked(config, id, to))
			warn_of_folder(folder[0] ? folder : "/");
	}
}

int file_read(const char *path, struct config *ret, struct stat *ret_as_read, struct error *error)
{
	struct mistakes mistakes;
	char *bytes = NULL;
	size_t size = 0;
	int fd = open_regular(path, ret_as_read, error), err;

	if (fd < 0)
		return fd;
	err = read_bytes(fd, path, &bytes, &size, error);
	close(fd);
	if (err)
		return err;
	err = config_read(bytes, size, ret, &mistakes);
	free(bytes);
	if (err && err != -EBADMSG)
		return failed(error, err, "out of memory");
	if (!err) {
		warn_of_readers(path, ret_as_read, &ret->model);
		certificates_check_file(ret, &mistakes);
		check_folders(ret, &mistakes);
		check_logs(ret, &mistakes);
		check_pages(ret, &mistakes);
		mistakes_sort(&mistakes);
	}
	return mistakes.count ? print_mistakes(path, &mistakes, error) : 0;
}
