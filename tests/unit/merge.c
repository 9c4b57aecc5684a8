// SPDX-License-Identifier: BSD-2-Clause
/* A model from a file over the running one: who stays keeps his id, and what is different is told in words. */
#include "test.h"

#include <errno.h>

#include "core/diff.h"
#include "core/endpoint.h"
#include "core/merge.h"
#include "core/nearest.h"

static struct model running, wished, merged;
static struct error error;
static char lines[8192];

static struct model_backend *add(struct model *model, const char *service, const char *address)
{
	struct rcxlb_endpoint endpoint;
	struct model_backend *backend;

	assert_int_equal(endpoint_parse(address, false, &endpoint, &error), 0);
	assert_int_equal(model_backend_add(model, model_service_find(model, service), &endpoint, &backend, &error), 0);
	return backend;
}

static void add_many(struct model *model, const char *service, int first, int count)
{
	char text[RCXLB_TEXT_LEN];

	for (int port = first; port < first + count; port++) {
		snprintf(text, sizeof(text), "127.0.0.1:%d", port);
		add(model, service, text);
	}
}

static struct model_service *serve(struct model *model, const char *name, const char *listen)
{
	struct model_service service = {};

	strcpy(service.name, name);
	model_service_defaults(&service, RCXLB_HASH_TUPLE);
	assert_int_equal(model_service_listen(&service, listen, &error), 0);
	assert_int_equal(model_service_set(model, &service, &error), 0);
	return model_service_find(model, name);
}

static uint32_t id_of(struct model *model, const char *address)
{
	struct rcxlb_endpoint endpoint;

	assert_int_equal(endpoint_parse(address, false, &endpoint, &error), 0);
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (model->backend[id].used && endpoint_equal(&model->backend[id].endpoint, &endpoint))
			return id;
	return RCXLB_MAX_BACKENDS;
}

static int setup(void **state)
{
	(void)state;
	memset(&running, 0, sizeof(running));
	memset(&wished, 0, sizeof(wished));
	model_settings_defaults(&running.settings);
	model_settings_defaults(&wished.settings);
	running.hash_key[0] = 7;
	lines[0] = 0;
	return 0;
}

static void collect(const char *text, void *context)
{
	(void)context;
	strcat(strcat(lines, text), "\n");
}

static const char *differences(const struct model *to)
{
	lines[0] = 0;
	model_diff(&running, to, collect, NULL);
	return lines;
}

static void the_same_in_another_order_is_no_change(void **state)
{
	(void)state;
	serve(&running, "a", "*:80");
	serve(&running, "b", "*:81");
	add(&running, "a", "127.0.0.1:3001")->weight = 4;
	add(&running, "b", "127.0.0.1:3002");
	add(&running, "b", "127.0.0.1:3001");
	serve(&wished, "b", "*:81");
	serve(&wished, "a", "*:80");
	add(&wished, "b", "127.0.0.1:3002");
	add(&wished, "b", "127.0.0.1:3001");
	add(&wished, "a", "127.0.0.1:3001")->weight = 4;
	assert_int_equal(model_merge(&running, &wished, &merged, &error), 0);
	assert_memory_equal(&merged, &running, sizeof(running));
	assert_string_equal(differences(&merged), "");
}

/* Ids of those that are gone keep whose they were, so that the address finds its old id. */
static void who_stays_keeps_the_id_and_who_comes_back_gets_it(void **state)
{
	(void)state;
	serve(&running, "gone", "*:79");
	serve(&running, "a", "*:80");
	add_many(&running, "gone", 3001, 3);
	add_many(&running, "a", 3004, 3);
	serve(&wished, "new", "*:79");
	serve(&wished, "a", "*:80");
	add(&wished, "new", "127.0.0.1:4000");
	add(&wished, "a", "127.0.0.1:3006");
	assert_int_equal(model_merge(&running, &wished, &merged, &error), 0);
	assert_int_equal(model_service_find(&merged, "a") - merged.service, 1);
	assert_int_equal(model_service_find(&merged, "new") - merged.service, 2); /* not 0, which was another's */
	assert_string_equal(merged.service[0].name, "");
	assert_int_equal(id_of(&merged, "127.0.0.1:3006"), 5);
	assert_int_equal(id_of(&merged, "127.0.0.1:4000"), 6); /* nor one of 0 to 4 */
	assert_true(model_is_member(&merged.service[1], 5));
	assert_true(model_is_member(&merged.service[2], 6));
	assert_false(merged.backend[0].used);
	assert_int_equal(merged.backend[0].endpoint.port, 3001);
	assert_int_equal(merged.hash_key[0], 7);

	running = merged;
	add(&wished, "a", "127.0.0.1:3001");
	assert_int_equal(model_merge(&running, &wished, &merged, &error), 0);
	assert_int_equal(id_of(&merged, "127.0.0.1:3001"), 0);
}

static void a_new_hash_key_is_taken(void **state)
{
	(void)state;
	wished.hash_key[1] = 9;
	assert_int_equal(model_merge(&running, &wished, &merged, &error), 0);
	assert_int_equal(merged.hash_key[0], 0);
	assert_int_equal(merged.hash_key[1], 9);
	assert_non_null(strstr(differences(&wished), "~ hash_key"));
}

static void nobody_gets_an_id_that_another_has_now(void **state)
{
	(void)state;
	serve(&running, "a", "*:80");
	serve(&wished, "a", "*:80");
	add_many(&running, "a", 2000, 600);
	add_many(&wished, "a", 5000, 424);
	assert_int_equal(model_merge(&running, &wished, &merged, &error), 0);
	for (int id = 0; id < 600; id++)
		assert_false(merged.backend[id].used);
	add_many(&wished, "a", 5000, 425);
	assert_int_equal(model_merge(&running, &wished, &merged, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "more than 1024"));
}

static void all_services_at_once_are_too_many(void **state)
{
	char name[16], listen[16];

	(void)state;
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(listen, sizeof(listen), "*:%d", 1000 + i);
		serve(&running, name, listen);
	}
	serve(&wished, "new", "*:80");
	assert_int_equal(model_merge(&running, &wished, &merged, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "more than 64"));
}

static void every_difference_is_a_line(void **state)
{
	struct model_service *service;
	struct model_backend *backend;

	(void)state;
	serve(&running, "old", "*:79");
	serve(&running, "web", "*:80");
	add_many(&running, "web", 3001, 2);
	serve(&wished, "web", "192.0.2.1:80");
	serve(&wished, "new", "*:81");
	service = model_service_find(&wished, "web");
	service->balance = RCXLB_BALANCE_BOUNDED;
	service->load_factor = 150;
	service->check.type = RCXLB_CHECK_HTTP;
	strcpy(service->check.path, "/readyz");
	service->check.status_to = 200;
	backend = add(&wished, "web", "127.0.0.1:3002");
	backend->weight = 2;
	backend->draining = true;
	add(&wished, "new", "[::1]:3003")->max_connections = 5;
	wished.settings.metrics.port = 0;
	memcpy(wished.hash_key, running.hash_key, sizeof(wished.hash_key));
	assert_string_equal(differences(&wished), "- service old\n"
						  "~ service web: balance least → bounded\n"
						  "~ service web: load_factor 1.25 → 1.50\n"
						  "~ service web: health.type auto → http\n"
						  "~ service web: health.path / → /readyz\n"
						  "~ service web: health.status 200-399 → 200\n"
						  "- address *:80 of web\n"
						  "+ address 192.0.2.1:80 of web\n"
						  "- backend 127.0.0.1:3001 in web\n"
						  "+ service new\n"
						  "+ address *:81 of new\n"
						  "+ backend [::1]:3003 in new\n"
						  "~ backend 127.0.0.1:3002: weight 1 → 2\n"
						  "~ backend 127.0.0.1:3002: draining false → true\n"
						  "~ backend [::1]:3003: max_connections 0 → 5\n"
						  "~ metrics.listen 127.0.0.1:9465 → off\n");
}

static void interfaces_differ_by_name_and_by_what_is_not_met(void **state)
{
	static const struct rcxlb_interface present[] = { { "eth0", RCXLB_XDP_SKB },
							  { "eth1", RCXLB_XDP_SKB },
							  { "eth2", RCXLB_XDP_NATIVE },
							  { "eth3", RCXLB_XDP_NONE } };
	struct xdp_wishes wishes = {};

	(void)state;
	assert_int_equal(xdp_wish(&wishes, "eth0", XDP_AUTO, &error), 0);
	assert_int_equal(xdp_wish(&wishes, "eth1", XDP_NATIVE, &error), 0);
	assert_int_equal(xdp_wish(&wishes, "eth3", XDP_OFF, &error), 0);
	assert_int_equal(xdp_wish(&wishes, "eth4", XDP_OFF, &error), 0);
	assert_int_equal(xdp_wish(&wishes, "eth4", XDP_OFF, &error), -EEXIST);
	assert_int_equal(xdp_wish(&wishes, "a/b", XDP_OFF, &error), -EINVAL);
	assert_int_equal(xdp_diff(present, LENGTH(present), &wishes, collect, NULL), 3);
	assert_string_equal(lines, "- interface eth2\n~ interface eth1: xdp skb → native\n+ interface eth4, xdp off\n");
}

/* One health for an instance, whatever number of services it is in. */
static void services_that_share_a_backend_check_it_alike(void **state)
{
	struct model_service *a, *b;

	(void)state;
	a = serve(&running, "a", "*:80");
	b = serve(&running, "b", "*:81");
	add(&running, "a", "127.0.0.1:3001");
	add(&running, "b", "127.0.0.1:3001");
	assert_int_equal(model_checks_agree(&running, &error), 0);
	a->check.rise = 9;
	assert_int_equal(model_checks_agree(&running, &error), -EEXIST);
	assert_non_null(strstr(error.text, "127.0.0.1:3001 is a backend of the services 'a' and 'b'"));
	b->check.type = RCXLB_CHECK_OFF;
	assert_int_equal(model_checks_agree(&running, &error), 0);
}

static void the_nearest_word_is_found(void **state)
{
	static const struct {
		const char *meant, *nearest;
	} rows[] = {
		{ "blanace", "balance" },
		{ "hsah", "hash" },
		{ "listens", "listen" },
		{ "HASH", "hash" },
		{ "backend", "backends" },
		{ "xyz", NULL },
		{ "a-word-that-is-longer-than-any-key-may-be", NULL },
		{ "", NULL },
	};
	static const char *const words[] = { "balance", "hash", "listen", "backends", "backends_of" };

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct nearest nearest = { .meant = rows[i].meant };

		for (size_t k = 0; k < LENGTH(words); k++)
			nearest_offer(&nearest, words[k]);
		check(!nearest.word == !rows[i].nearest, rows[i].meant);
		check(!nearest.word || !strcmp(nearest.word, rows[i].nearest), rows[i].meant);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_same_in_another_order_is_no_change, setup),
		cmocka_unit_test_setup(who_stays_keeps_the_id_and_who_comes_back_gets_it, setup),
		cmocka_unit_test_setup(a_new_hash_key_is_taken, setup),
		cmocka_unit_test_setup(nobody_gets_an_id_that_another_has_now, setup),
		cmocka_unit_test_setup(all_services_at_once_are_too_many, setup),
		cmocka_unit_test_setup(every_difference_is_a_line, setup),
		cmocka_unit_test_setup(interfaces_differ_by_name_and_by_what_is_not_met, setup),
		cmocka_unit_test_setup(services_that_share_a_backend_check_it_alike, setup),
		cmocka_unit_test_setup(the_nearest_word_is_found, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
