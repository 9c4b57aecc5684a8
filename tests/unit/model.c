// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include <errno.h>

#include "core/endpoint.h"
#include "core/model.h"

static struct model model;
static struct error error;

static struct rcxlb_endpoint at(const char *text)
{
	struct rcxlb_endpoint endpoint;

	assert_int_equal(endpoint_parse(text, false, &endpoint, &error), 0);
	return endpoint;
}

static int add_service(const char *name, const char *listen)
{
	struct model_service wished = {};

	strncpy(wished.name, name, sizeof(wished.name) - 1);
	if (listen)
		assert_int_equal(model_service_listen(&wished, listen, &error), 0);
	return model_service_set(&model, &wished, &error);
}

static int add_backend(const char *service, const char *address, struct model_backend **ret)
{
	struct rcxlb_endpoint endpoint = at(address);

	return model_backend_add(&model, model_service_find(&model, service), &endpoint, ret, &error);
}

static int setup(void **state)
{
	(void)state;
	memset(&model, 0, sizeof(model));
	return 0;
}

static void names_and_addresses_of_services(void **state)
{
	(void)state;
	assert_int_equal(add_service("a", "*:80"), 0);
	assert_int_equal(add_service("b", "192.0.2.1:80"), 0);
	assert_int_equal(add_service("c", "0.0.0.0:80"), -EEXIST);
	assert_int_equal(add_service("c", NULL), -EINVAL);
	assert_int_equal(add_service("", "*:81"), -EINVAL);
	assert_int_equal(add_service("with blank", "*:81"), -EINVAL);
	assert_int_equal(add_service("a", "*:81"), 0); /* changes it */
	assert_int_equal(add_service("c", "*:80"), 0);
}

static void which_service_is_meant(void **state)
{
	struct model_service *service;

	(void)state;
	assert_int_equal(model_service_select(&model, NULL, &service, &error), -ENOENT);
	add_service("a", "*:80");
	assert_int_equal(model_service_select(&model, NULL, &service, &error), 0);
	assert_string_equal(service->name, "a");
	add_service("b", "*:81");
	assert_int_equal(model_service_select(&model, NULL, &service, &error), -EINVAL);
	assert_non_null(strstr(error.text, "a, b"));
	assert_int_equal(model_service_select(&model, "b", &service, &error), 0);
	assert_int_equal(model_service_select(&model, "x", &service, &error), -ENOENT);
}

static void one_address_is_one_backend(void **state)
{
	struct model_backend *first, *second;

	(void)state;
	add_service("a", "*:80");
	add_service("b", "*:81");
	add_backend("a", "127.0.0.1:3001", &first);
	first->weight = 5;
	add_backend("b", "127.0.0.1:3001", &second);
	assert_ptr_equal(first, second);
	assert_int_equal(second->weight, 5);
}

static void a_backend_lives_as_long_as_a_service_uses_it(void **state)
{
	struct rcxlb_endpoint endpoint = at("127.0.0.1:3001");
	struct model_backend *backend;

	(void)state;
	add_service("a", "*:80");
	add_service("b", "*:81");
	add_backend("a", "127.0.0.1:3001", &backend);
	add_backend("b", "127.0.0.1:3001", &backend);
	assert_int_equal(model_backend_remove(&model, model_service_find(&model, "a"), &endpoint, &error), 0);
	assert_true(backend->used);
	assert_int_equal(model_backend_remove(&model, model_service_find(&model, "a"), &endpoint, &error), -ENOENT);
	assert_int_equal(model_service_delete(&model, "b", &error), 0);
	assert_false(backend->used);
}

static void an_address_that_comes_back_gets_its_id_back(void **state)
{
	struct rcxlb_endpoint endpoint = at("127.0.0.1:3001");
	struct model_backend *first, *other, *again;

	(void)state;
	add_service("a", "*:80");
	add_backend("a", "127.0.0.1:3001", &first);
	first->draining = true;
	first->weight = 9;
	assert_int_equal(model_backend_remove(&model, model_service_find(&model, "a"), &endpoint, &error), 0);
	add_backend("a", "127.0.0.1:3002", &other);
	assert_ptr_not_equal(other, first);
	add_backend("a", "127.0.0.1:3001", &again);
	assert_ptr_equal(again, first);
	assert_false(again->draining);
	assert_int_equal(again->weight, 1);
}

static void no_more_than_there_is_room_for(void **state)
{
	struct model_backend *backend;
	char text[RCXLB_TEXT_LEN];

	(void)state;
	add_service("a", "*:80");
	for (int i = 0; i < RCXLB_MAX_BACKENDS; i++) {
		snprintf(text, sizeof(text), "127.0.0.1:%d", 2000 + i);
		assert_int_equal(add_backend("a", text, &backend), 0);
	}
	assert_int_equal(add_backend("a", "127.0.0.2:2000", &backend), -ENOSPC);
	assert_int_equal(add_backend("a", "127.0.0.1:2000", &backend), 0); /* it is there */
	for (int i = 1; i < RCXLB_MAX_SERVICES; i++) {
		snprintf(text, sizeof(text), "*:%d", 5000 + i);
		assert_int_equal(add_service(text + 2, text), 0);
	}
	assert_int_equal(add_service("one-too-many", "*:7000"), -ENOSPC);
}

static void listens_are_printed_as_they_were_given(void **state)
{
	char texts[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN];
	struct model_service wished = { .name = "a" };

	(void)state;
	model_service_listen(&wished, "[2001:db8::1]:80", &error);
	model_service_listen(&wished, "*:80", &error);
	model_service_listen(&wished, "0.0.0.0:81", &error);
	assert_int_equal(model_service_listen(&wished, "[::]:80", &error), -EINVAL);
	assert_int_equal(model_service_set(&model, &wished, &error), 0);
	assert_int_equal(model_listens(&model.service[0], texts), 3);
	assert_string_equal(texts[0], "*:80");
	assert_string_equal(texts[1], "0.0.0.0:81");
	assert_string_equal(texts[2], "[2001:db8::1]:80");
}

static void workers_take_clients_whose_family_a_backend_is_not_of(void **state)
{
	static const struct {
		const char *listen, *backend;
		bool wanted;
		const char *sentence;
	} rows[] = {
		{ "*:80", "127.0.0.1:3001", true, "clients over IPv6 cannot reach an IPv4 backend" },
		{ "*:80", "[::1]:3001", true, "clients over IPv4 cannot reach an IPv6 backend" },
		{ "192.0.2.1:80", "127.0.0.1:3001", false, "only clients over IPv4 come, and reach it" },
		{ "[fd00::1]:80", "[::1]:3001", false, "only clients over IPv6 come, and reach it" },
		{ "[fd00::1]:80", "127.0.0.1:3001", true, "only clients over IPv6 come, and cannot" },
		{ "*:80", NULL, false, "nobody is there to be reached" },
	};
	struct model_backend *backend;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&model, 0, sizeof(model));
		backend = NULL;
		assert_int_equal(add_service("a", rows[i].listen), 0);
		if (rows[i].backend)
			assert_int_equal(add_backend("a", rows[i].backend, &backend), 0);
		if (model_has_workers(&model, &model.service[0]) != rows[i].wanted)
			fail_msg("%s", rows[i].sentence);
		if (!backend)
			continue;
		backend->elsewhere = true;
		assert_true(model_has_workers(&model, &model.service[0]));
		backend->elsewhere = false;
		backend->unassignable = true;
		assert_true(model_has_workers(&model, &model.service[0]));
	}
}

static void a_redirect_has_no_backends(void **state)
{
	struct model_service wished = { .name = "a", .http.flags = RCXLB_HTTP_REDIRECT };
	struct rcxlb_endpoint endpoint = at("127.0.0.1:1");
	struct model_backend *backend;

	(void)state;
	assert_int_equal(add_service("a", "*:80"), 0);
	assert_int_equal(add_backend("a", "127.0.0.1:1", &backend), 0);
	assert_int_equal(model_service_listen(&wished, "*:80", &error), 0);
	assert_int_equal(model_service_set(&model, &wished, &error), -EEXIST);
	assert_non_null(strstr(error.text, "'a' has backends"));
	assert_false(model_is_proxied(model_service_find(&model, "a")));
	assert_int_equal(model_backend_remove(&model, model_service_find(&model, "a"), &endpoint, &error), 0);
	assert_int_equal(model_service_set(&model, &wished, &error), 0);
	assert_true(model_is_proxied(model_service_find(&model, "a")));
	assert_int_equal(add_backend("a", "127.0.0.1:1", &backend), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "'a' redirects"));
}

static void rules_have_names_and_defaults(void **state)
{
	struct model_service service = {};
	uint8_t rule;

	(void)state;
	assert_int_equal(model_balance_parse("consistent", &rule, &error), 0);
	assert_int_equal(rule, RCXLB_BALANCE_CONSISTENT);
	assert_int_equal(model_balance_parse("bounded", &rule, &error), 0);
	assert_int_equal(rule, RCXLB_BALANCE_BOUNDED);
	assert_int_equal(model_balance_parse("least", &rule, &error), 0);
	assert_string_equal(model_balance_name(rule), "least");
	assert_int_equal(model_balance_parse("roundrobin", &rule, &error), -EINVAL);
	model_service_defaults(&service, RCXLB_HASH_TUPLE);
	assert_int_equal(service.balance, RCXLB_BALANCE_LEAST);
	model_service_defaults(&service, RCXLB_HASH_CLIENT);
	assert_int_equal(service.balance, RCXLB_BALANCE_BOUNDED);
	assert_int_equal(service.load_factor, 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(names_and_addresses_of_services, setup),
		cmocka_unit_test_setup(which_service_is_meant, setup),
		cmocka_unit_test_setup(one_address_is_one_backend, setup),
		cmocka_unit_test_setup(a_backend_lives_as_long_as_a_service_uses_it, setup),
		cmocka_unit_test_setup(an_address_that_comes_back_gets_its_id_back, setup),
		cmocka_unit_test_setup(no_more_than_there_is_room_for, setup),
		cmocka_unit_test_setup(listens_are_printed_as_they_were_given, setup),
		cmocka_unit_test_setup(workers_take_clients_whose_family_a_backend_is_not_of, setup),
		cmocka_unit_test_setup(a_redirect_has_no_backends, setup),
		cmocka_unit_test_setup(rules_have_names_and_defaults, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
