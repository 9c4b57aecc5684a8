// SPDX-License-Identifier: BSD-2-Clause
/* Which files are read, and what is said of the others. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/http_page.h"
#include "proxy/whole_file.h"

#define BYTES "what is in it"
#define OTHER 33 /* a user and a group */

enum kind { FILE_ITSELF, LINK, LINK_TO_NOTHING, FOLDER, PIPE };

static const struct {
	const char *about;
	enum kind kind;
	mode_t mode;
	uid_t user;
	gid_t group;
	const char *says;    /* of an error page; NULL: it is read */
	bool as_certificate; /* is it read as such? */
} rows[] = {
	{ "a file of root's", FILE_ITSELF, 0644, 0, 0, NULL, true },
	{ "that root alone can read", FILE_ITSELF, 0600, 0, 0, NULL, true },
	{ "that root's group can write", FILE_ITSELF, 0664, 0, 0, NULL, true },
	{ "that another group can read", FILE_ITSELF, 0640, 0, OTHER, NULL, true },
	{ "that another group can write", FILE_ITSELF, 0664, 0, OTHER,
	  "page PATH can be written by others (mode 0664): run chmod go-w PATH", true },
	{ "that everybody can write", FILE_ITSELF, 0646, 0, 0,
	  "page PATH can be written by others (mode 0646): run chmod go-w PATH", true },
	{ "a file of somebody else", FILE_ITSELF, 0600, OTHER, 0,
	  "page PATH belongs to the user 33, who can change it at any time: run chown root PATH", true },
	{ "a link to a file of root's", LINK, 0644, 0, 0,
	  "page PATH is a symbolic link: give the path of the file itself", true },
	{ "a link to nothing", LINK_TO_NOTHING, 0644, 0, 0,
	  "page PATH is a symbolic link: give the path of the file itself", false },
	{ "a folder", FOLDER, 0755, 0, 0, "page PATH is not a regular file", false },
	{ "a pipe", PIPE, 0644, 0, 0, "page PATH is not a regular file", false },
};

static char folder[] = "/tmp/rcxlb-unit-XXXXXX";
static char file[64], path[64];

static void make(size_t row)
{
	const char *at = rows[row].kind == LINK ? file : path;
	int fd;

	switch (rows[row].kind) {
	case FOLDER:
		assert_int_equal(mkdir(at, 0700), 0);
		break;
	case PIPE:
		assert_int_equal(mkfifo(at, 0600), 0);
		break;
	case LINK_TO_NOTHING:
		assert_int_equal(symlink(file, path), 0);
		return;
	default:
		fd = open(at, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_int_equal(write(fd, BYTES, strlen(BYTES)), strlen(BYTES));
		close(fd);
	}
	assert_int_equal(chown(at, rows[row].user, rows[row].group), 0);
	assert_int_equal(chmod(at, rows[row].mode), 0);
	if (rows[row].kind == LINK)
		assert_int_equal(symlink(file, path), 0);
}

/* The sentence with the path in it. */
static const char *sentence(const char *says)
{
	static char text[512];
	char *to = text + sprintf(text, "error ");

	for (const char *from = says; *from;) {
		if (strncmp(from, "PATH", 4)) {
			*to++ = *from++;
			continue;
		}
		to += sprintf(to, "%s", path);
		from += 4;
	}
	*to = 0;
	return text;
}

static void which_files_are_read(void **state)
{
	const struct whole_file_rules open_to_all = { .most = 1000 };

	(void)state;
	if (geteuid()) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	for (size_t r = 0; r < LENGTH(rows); r++) {
		const char *about = rows[r].about;
		struct http_page page;
		struct error error;
		char *bytes = NULL;
		size_t size = 0;

		make(r);
		check(!http_page_read(path, &page, &error) == !rows[r].says, about);
		check(rows[r].says || (page.size == strlen(BYTES) && !memcmp(page.bytes, BYTES, page.size)), about);
		check(!rows[r].says || !page.bytes, about);
		if (rows[r].says)
			assert_string_equal(error.text, sentence(rows[r].says));
		http_page_free(&page);
		check(!whole_file_read("certificate", path, &open_to_all, &bytes, &size, &error) ==
			  rows[r].as_certificate,
		      about);
		free(bytes);
		remove(path);
		remove(file);
	}
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(path, sizeof(path), "%s/path", folder);
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
		cmocka_unit_test(which_files_are_read),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
