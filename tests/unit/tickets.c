// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "proxy/tickets.h"

static struct ticket_key key_named(char name)
{
	struct ticket_key key = { .cipher = { 1 } };

	memset(key.name, name, sizeof(key.name));
	return key;
}

static const struct ticket_key *find(const struct ticket_keys *keys, char name, bool *newest)
{
	struct ticket_key wanted = key_named(name);

	return ticket_keys_find(keys, wanted.name, newest);
}

static void the_newest_encrypts_and_older_ones_still_decrypt(void **state)
{
	struct ticket_keys keys = { .count = 0 };
	bool newest;

	(void)state;
	assert_null(find(&keys, 'a', &newest));
	for (char name = 'a'; name <= 'd'; name++) {
		struct ticket_key key = key_named(name);
		unsigned int known = 0;

		ticket_keys_rotate(&keys, &key);
		assert_memory_equal(&keys.keys[0], &key, sizeof(key));
		assert_true(find(&keys, name, &newest) == &keys.keys[0] && newest);
		for (char older = 'a'; older < name; older++) {
			if (find(&keys, older, &newest)) {
				assert_false(newest);
				known++;
			}
		}
		assert_int_equal(known, name == 'a' ? 0 : name == 'b' ? 1 : 2);
	}
	assert_int_equal(keys.count, TICKET_KEYS_MAX);
	assert_null(find(&keys, 'a', &newest));
	assert_non_null(find(&keys, 'b', &newest));
}

static void keys_that_cannot_be_used_are_refused(void **state)
{
	struct ticket_keys keys = { .count = 2, .keys = { key_named('a'), key_named('b') } };
	struct error error;

	(void)state;
	assert_int_equal(ticket_keys_check(&keys, &error), 0);
	keys.keys[1] = key_named('a');
	assert_true(ticket_keys_check(&keys, &error) < 0);
	assert_non_null(strstr(error.text, "1 and 2"));
	keys.count = TICKET_KEYS_MAX + 1;
	assert_true(ticket_keys_check(&keys, &error) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_encrypts_and_older_ones_still_decrypt),
		cmocka_unit_test(keys_that_cannot_be_used_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
