// SPDX-License-Identifier: BSD-2-Clause
/* The ticket keys in the memory that supervisor and workers share. */
#include "test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/work.h"

static struct ticket_keys keys_named(char name)
{
	struct ticket_keys keys = { .count = 1 };

	memset(&keys.keys[0], name, sizeof(keys.keys[0]));
	return keys;
}

static void what_is_published_is_read(void **state)
{
	struct work_tickets shared = {};
	struct ticket_keys got;
	uint32_t version;

	(void)state;
	for (uint32_t i = 1; i < 5; i++) {
		struct ticket_keys keys = keys_named('a' + (char)i);

		version = shared.version;
		work_publish_tickets(&shared, i, &keys);
		assert_true(shared.version != version && !(shared.version & 1));
		assert_int_equal(work_ticket_keys(&shared, &got), shared.version);
		assert_memory_equal(&got, &keys, sizeof(got));
	}
}

/* An odd version that stays: whoever waited for its end would wait for ever, and a worker waits as root. */
static void nobody_waits_for_keys_that_are_written_for_ever(void **state)
{
	struct work_tickets shared = { .version = 3, .keys = keys_named('a') };
	struct ticket_keys got;

	(void)state;
	alarm(10);
	assert_true(work_ticket_keys(&shared, &got) & 1);
	alarm(0);
	assert_int_equal(got.count, 0);
}

/* A writer that died in the midst of it, or memory that somebody spoilt, is put right by the next keys. */
static void what_is_published_does_not_depend_on_what_was_there(void **state)
{
	static const uint32_t versions[] = { 0, 1, 6, 7, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < LENGTH(versions); i++) {
		struct work_tickets shared = { .version = versions[i], .keys = { .count = UINT32_MAX } };
		struct ticket_keys keys = keys_named('b'), got;

		work_publish_tickets(&shared, 4, &keys);
		assert_int_equal(work_ticket_keys(&shared, &got), 8);
		assert_memory_equal(&got, &keys, sizeof(got));
	}
}

static void who_is_sealed_can_read_and_not_write(void **state)
{
	struct work_tickets *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ticket_keys keys = keys_named('c'), got;
	pid_t child;
	int status;

	(void)state;
	assert_true(shared != MAP_FAILED);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct sigaction usual = { .sa_handler = SIG_DFL };

		sigaction(SIGSEGV, &usual, NULL);
		if (work_seal_tickets(shared) || work_ticket_keys(shared, &got))
			_exit(1);
		shared->version = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	work_publish_tickets(shared, 1, &keys);
	assert_int_equal(work_ticket_keys(shared, &got), 2);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_published_is_read),
		cmocka_unit_test(nobody_waits_for_keys_that_are_written_for_ever),
		cmocka_unit_test(what_is_published_does_not_depend_on_what_was_there),
		cmocka_unit_test(who_is_sealed_can_read_and_not_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
