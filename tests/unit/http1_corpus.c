// SPDX-License-Identifier: BSD-2-Clause
/* The fuzzer's corpus through the fuzzer's checks, where there is no libFuzzer. Runs in the project's folder. */
#include "test.h"

#include <dirent.h>

#include "../fuzz/http1.c"

#define CORPUS "tests/fuzz/corpus/http1"

static void run_file(const char *name)
{
	uint8_t *input = malloc(1 << 16);
	char path[512];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), CORPUS "/%s", name);
	file = fopen(path, "rb");
	check(file && input, path);
	length = fread(input, 1, 1 << 16, file);
	fclose(file);
	LLVMFuzzerTestOneInput(input, length);
	free(input);
}

static void corpus(void **state)
{
	DIR *folder = opendir(CORPUS);
	unsigned int files = 0;
	struct dirent *entry;

	(void)state;
	check(folder, CORPUS);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		run_file(entry->d_name);
		files++;
	}
	closedir(folder);
	assert_in_range(files, 50, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(corpus) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
