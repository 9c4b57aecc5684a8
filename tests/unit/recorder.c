// SPDX-License-Identifier: BSD-2-Clause
/* What an access log's process writes to, and what it refuses: a file of somebody who may write into the folder. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/recorder.h"

#define WAIT_MS 5000

static char folder[] = "/tmp/rcxlb-unit-XXXXXX";
static char victim[64], path[64], said[64];

static void write_file(const char *at, const char *text)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void nothing(void)
{
}

static void file_of_another(void)
{
	write_file(path, "");
	assert_int_equal(chown(path, geteuid() ? geteuid() : 33, getegid()), 0);
	assert_int_equal(chmod(path, 0660), 0); /* the process has no capability that would let it write to others */
}

static void link_to_victim(void)
{
	assert_int_equal(symlink(victim, path), 0);
}

static void link_to_nothing(void)
{
	assert_int_equal(symlink("nowhere", path), 0);
}

static void second_name(void)
{
	assert_int_equal(link(victim, path), 0);
}

static const struct {
	const char *about;
	void (*prepare)(void);
	const char *complaint; /* NULL: the line is written */
} rows[] = {
	{ "a file that is not there", nothing, NULL },
	{ "a file of another user and our group, as logrotate can make it", file_of_another, NULL },
	{ "a link to a file of root's", link_to_victim, "it is a symbolic link; lines are lost\n" },
	{ "a link to where a file could be made", link_to_nothing, "it is a symbolic link; lines are lost\n" },
	{ "another name of a file of root's", second_name,
	  "the file has another name as well, by a hard link; lines are lost\n" },
};

static bool holds(const char *at, const char *text)
{
	char have[1024] = "";
	int fd = open(at, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, have, sizeof(have) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && strstr(have, text);
}

static bool comes(const char *at, const char *text)
{
	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (holds(at, text))
			return true;
		usleep(10000);
	}
	return false;
}

/* With standard error in a file: there it complains. */
static void start(struct recorders *recorders, const struct model *model)
{
	int kept = dup(2), fd = open(said, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	struct error error;

	dup2(fd, 2);
	close(fd);
	assert_int_equal(recorders_follow(recorders, model, &error), 0);
	dup2(kept, 2);
	close(kept);
}

static void end(struct recorders *recorders, struct model *model)
{
	struct error error;

	model->service[0].http.access_log[0] = 0;
	assert_int_equal(recorders_follow(recorders, model, &error), 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void what_is_written_to(void **state)
{
	static struct model model = { .service[0].name = "a" };

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct recorders recorders = {};

		write_file(victim, "secret\n");
		rows[r].prepare();
		strcpy(model.service[0].http.access_log, path);
		start(&recorders, &model);
		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(write(recorders_pipe(&recorders, &model.service[0]), "line\n", 5), 5);
		if (rows[r].complaint)
			check(comes(said, rows[r].complaint), rows[r].about);
		else
			check(comes(path, "line\nline\n") && !holds(said, "rcxlb"), rows[r].about);
		end(&recorders, &model);
		check(holds(victim, "secret\n") && !holds(victim, "line"), rows[r].about);
		unlink(path);
		unlink(victim);
		unlink(said);
	}
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	snprintf(path, sizeof(path), "%s/access.log", folder);
	snprintf(said, sizeof(said), "%s/said", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_to),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
