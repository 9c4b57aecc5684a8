// SPDX-License-Identifier: BSD-2-Clause
/* Configuration files: every key has its effect, and what is printed can be read again. config_mistakes.c: the rest. */
#include "test.h"

#include "config/emit.h"
#include "config/header.h"
#include "config/read.h"
#include "config/schema.h"
#include "core/diff.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/http_own.h"
#include "core/merge.h"

static struct config config;
static struct mistakes mistakes;
static struct error error;

static int read_text(const char *text)
{
	return config_read(text, strlen(text), &config, &mistakes);
}

static const char everything[] =
    "# As in the manual\n"
    "interfaces: [eth0, {name: eth1, xdp: native}]\n"
    "xdp: skb\n"
    "services:\n"
    "- name: rocketchat\n"
    "  listen: [\"*:80\", \"[2001:db8::1]:81\"]\n"
    "  hash: client\n"
    "  load_factor: 1.5\n"
    "  blocked_ms: 7\n"
    "  slow_start_ms: 1000\n"
    "  idle_ms: 90000\n"
    "  backends:\n"
    "  - {address: 127.0.0.1:3001-3003, weight: 3}\n"
    "  - 127.0.0.1:3004\n"
    "  - {address: \"[::1]:3005\", max_connections: 100, draining: true}\n"
    "  health: {type: http, path: /readyz, host: chat.example.org, status: 204, body: \"ü ok\",\n"
    "    interval_ms: 5000, timeout_ms: 4000, rise: 3, fall: 4}\n"
    "- name: other\n"
    "  listen: [\"*:443\"]\n"
    "  backends_of: rocketchat\n"
    "  http: {forwarded: true, head_bytes: 8192, fields: 64, body_bytes: 5000000000, head_ms: 1000, body_ms: 2000,\n"
    "    affinity: cookie, answer_ms: 3000, access_log: {to: /var/log/a.log, format: json},\n"
    "    trusted_proxies: [10.0.0.0/8, \"2001:db8::1\"], headers: {set: {X-Region: eu, X-Name: ü}},\n"
    "    error_page: [{status: [502, 503], file: /etc/e.html}, {status: 413, file: /etc/f.txt}]}\n"
    "  accept_proxy: [10.1.0.0/16, \"2001:db8:1::/48\"]\n"
    "  send_proxy: v2\n"
    "- {name: plain, listen: [\"*:8080\"], redirect: https, acme: /var/www, routes: [{path: /a, service: other}]}\n"
    "- {name: usual, listen: [\"*:8081\"], http: true,\n"
    "   routes: [{path: /websocket, service: other}, {path: /sockjs, service: rocketchat}]}\n"
    "metrics: {listen: off}\n"
    "hash_key: 000102030405060708090A0B0C0D0E0F\n";

static void every_key_has_its_effect(void **state)
{
	struct model *model = &config.model;
	const struct model_service *service = &model->service[0];
	uint16_t members[RCXLB_MAX_BACKENDS];
	const struct rcxlb_check *health;

	(void)state;
	assert_int_equal(read_text(everything), 0);
	assert_true(config.has_interfaces);
	assert_int_equal(config.interfaces.count, 2);
	assert_int_equal(config.interfaces.entry[0].xdp, XDP_SKB);
	assert_int_equal(config.interfaces.entry[1].xdp, XDP_NATIVE);
	assert_int_equal(model->hash_key[0], 0x0001020304050607);
	assert_int_equal(model->hash_key[1], 0x08090a0b0c0d0e0f);
	assert_int_equal(model->settings.metrics.port, 0);
	assert_int_equal(service->listens, 3);
	assert_int_equal(service->hash, RCXLB_HASH_CLIENT);
	assert_int_equal(service->balance, RCXLB_BALANCE_BOUNDED);
	assert_int_equal(service->load_factor, 150);
	assert_int_equal(service->blocked_ms, 7);
	assert_int_equal(service->slow_start_ms, 1000);
	assert_int_equal(service->idle_ms, 90000);
	assert_int_equal(model_members(model, service, members), 5);
	assert_int_equal(model->backend[members[2]].weight, 3);
	assert_int_equal(model->backend[members[3]].weight, 1);
	assert_int_equal(model->backend[members[4]].max_connections, 100);
	assert_true(model->backend[members[4]].draining);
	health = &service->check;
	assert_int_equal(health->type, RCXLB_CHECK_HTTP);
	assert_string_equal(health->path, "/readyz");
	assert_string_equal(health->host, "chat.example.org");
	assert_string_equal(health->body, "ü ok");
	assert_int_equal(health->status_from, 204);
	assert_int_equal(health->status_to, 204);
	assert_int_equal(health->interval_ms, 5000);
	assert_int_equal(health->timeout_ms, 4000);
	assert_int_equal(health->rise, 3);
	assert_int_equal(health->fall, 4);
	assert_memory_equal(&model->service[1].check, health, sizeof(*health));
	assert_memory_equal(model->service[1].member, service->member, sizeof(service->member));
	assert_int_equal(model->service[1].hash, RCXLB_HASH_CLIENT); /* by its cookie */
	assert_int_equal(model->service[1].balance, RCXLB_BALANCE_CONSISTENT);
}

static void every_key_of_http_has_its_effect(void **state)
{
	const struct rcxlb_http *none, *http, *redirect, *usual;
	struct rcxlb_http wanted;

	(void)state;
	assert_int_equal(read_text(everything), 0);
	none = &model_service_find(&config.model, "rocketchat")->http;
	http = &model_service_find(&config.model, "other")->http;
	redirect = &model_service_find(&config.model, "plain")->http;
	usual = &model_service_find(&config.model, "usual")->http;
	http_defaults(&wanted, 0);
	assert_memory_equal(none, &wanted, sizeof(wanted));
	assert_int_equal(http->flags, RCXLB_HTTP_PARSED | RCXLB_HTTP_COOKIE);
	assert_int_equal(http->head_bytes, 8192);
	assert_int_equal(http->fields, 64);
	assert_int_equal(http->body_bytes, 5000000000);
	assert_int_equal(http->head_ms, 1000);
	assert_int_equal(http->body_ms, 2000);
	assert_int_equal(http->answer_ms, 3000);
	assert_string_equal(http->access_log, "/var/log/a.log");
	assert_int_equal(http->access_log_json, 1);
	assert_string_equal(redirect->acme, "/var/www");
	assert_int_equal(http->error_pages, 2);
	assert_string_equal(http->error_page[0].file, "/etc/e.html");
	assert_int_equal(http_error_page_of(http, 502), 0);
	assert_int_equal(http_error_page_of(http, 503), 0);
	assert_int_equal(http_error_page_of(http, 413), 1);
	assert_int_equal(http_error_page_of(http, 504), RCXLB_MAX_ERROR_PAGES);
	assert_int_equal(config.error_page[1][1], 24);
	assert_int_equal(http->trusted_count, 2);
	assert_int_equal(http->trusted[0].length, 96 + 8);
	assert_int_equal(http->trusted[1].length, 128);
	assert_int_equal(config.model.service[1].proxy.send, 2);
	assert_int_equal(config.model.service[1].proxy.accepts, 2);
	assert_int_equal(config.model.service[1].proxy.accept[0].length, 96 + 16);
	assert_int_equal(config.model.service[1].proxy.accept[1].length, 48);
	assert_int_equal(http->headers, 2);
	assert_string_equal(http->header[0].name, "X-Region");
	assert_string_equal(http->header[0].value, "eu");
	assert_string_equal(http->header[1].value, "ü");
	http_defaults(&wanted, RCXLB_HTTP_REDIRECT);
	assert_int_equal(http_route(&wanted, "/a", 1, &error), 0);
	strcpy(wanted.acme, "/var/www");
	assert_memory_equal(redirect, &wanted, sizeof(wanted));
	http_defaults(&wanted, RCXLB_HTTP_PARSED);
	assert_int_equal(http_route(&wanted, "/websocket", 1, &error), 0);
	assert_int_equal(http_route(&wanted, "/sockjs", 0, &error), 0);
	assert_memory_equal(usual, &wanted, sizeof(wanted));
	assert_int_equal(usual->head_bytes, 15360);
	assert_int_equal(usual->answer_ms, 300000);
}

static void what_is_not_said_is_as_usual(void **state)
{
	struct model_service usual = {};
	struct rcxlb_settings settings;

	(void)state;
	assert_int_equal(read_text("services: [{name: a, listen: [\"*:80\"]}]\n"), 0);
	assert_false(config.has_interfaces);
	model_service_defaults(&usual, RCXLB_HASH_TUPLE);
	assert_memory_equal(&config.model.service[0].check, &usual.check, sizeof(usual.check));
	assert_int_equal(config.model.service[0].balance, usual.balance);
	assert_int_equal(config.model.hash_key[0] | config.model.hash_key[1], 0);
	model_settings_defaults(&settings);
	assert_memory_equal(&config.model.settings, &settings, sizeof(settings));
	assert_int_equal(read_text("services: []\ninterfaces: []\n"), 0);
	assert_true(config.has_interfaces);
}

/* As an anchor that two services share, in JSON, and with the marks of a document. */
static void other_ways_to_write_it(void **state)
{
	static const char *const ways[] = {
		"---\nservices:\n- {name: a, listen: [\"*:80\"], health: &h {type: tcp}}\n- {name: b, listen: "
		"[\"*:81\"], health: *h}\n...\n",
		"{\"services\":[{\"name\":\"a\",\"listen\":[\"*:80\"],\"health\":{\"type\":\"tcp\"}},"
		"{\"name\":\"b\",\"listen\":[\"*:81\"],\"health\":{\"type\":\"tcp\"}}]}",
		"\xef\xbb\xbfservices:\r\n- name: a\r\n  listen: ['*:80']\r\n  health: {type: tcp}\r\n- name: b\r\n"
		"  listen: ['*:81']\r\n  health: {type: tcp}\r\n",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(ways); i++) {
		check(!read_text(ways[i]), ways[i]);
		check(config.model.service[1].check.type == RCXLB_CHECK_TCP, ways[i]);
		check(!strcmp(config.model.service[1].name, "b"), ways[i]);
	}
}

static void the_list_of_keys_is_sound(void **state)
{
	const struct config_key *keys;
	char path[CONFIG_PATH_LEN];
	uint32_t count;

	(void)state;
	keys = config_keys(&count);
	for (uint32_t i = 0; i < count; i++) {
		check(keys[i].purpose && keys[i].purpose[0], keys[i].name);
		check(config_key_find(keys[i].section, keys[i].name) == &keys[i], keys[i].name);
		check(!keys[i].needed || keys[i].values, keys[i].name);
		check(config_key_place(&keys[i]) < 24, keys[i].name);
		check((keys[i].open != NULL) == (keys[i].kind == CONFIG_SECTION || keys[i].kind == CONFIG_SECTIONS),
		      keys[i].name);
		if (keys[i].bare)
			check(config_key_find(config_key_path(&keys[i], path), keys[i].bare), keys[i].name);
	}
}

/* Random models: printed and read again they are the same, in the running one's ids. */

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

static void draw_text(char *to, size_t most, const char *characters)
{
	size_t length = 1 + draw(most);

	for (size_t i = 0; i < length; i++)
		to[i] = characters[draw(strlen(characters))];
}

static void draw_check(struct rcxlb_check *to)
{
	to->type = draw(4);
	to->interval_ms = 100 + draw(3599901);
	to->timeout_ms = 10 + draw(to->interval_ms - 9);
	to->rise = 1 + draw(1000);
	to->fall = 1 + draw(1000);
	if (to->type == RCXLB_CHECK_HTTP) {
		to->status_from = 100 + draw(500);
		to->status_to = to->status_from + draw(600 - to->status_from);
		draw_text(to->path + 1, 120, "abc/%20?=&-:*[]{}\"'\\");
		if (draw(2))
			draw_text(to->body, 127, "a b:\"'\\#-*&![]{}%@`,<>|?~0");
	}
	if (draw(2) && (to->type == RCXLB_CHECK_HTTP || to->type == RCXLB_CHECK_AUTO))
		draw_text(to->host, 127, "abc0.-:[]");
}

/* Each status has its page, or none. */
static void draw_pages(struct rcxlb_http *to)
{
	for (int i = 0; i < HTTP_OWN_STATUSES; i++) {
		uint32_t page = draw(RCXLB_MAX_ERROR_PAGES);

		if (http_own_statuses[i] < 400 || http_own_statuses[i] == 404)
			continue;
		if (page > to->error_pages || page == RCXLB_MAX_ERROR_PAGES)
			page = to->error_pages;
		if (page == to->error_pages) {
			to->error_page[page].file[0] = '/';
			draw_text(to->error_page[page].file + 1, RCXLB_PATH_LEN - 2, "abc/. :*'\"\\-#&[]{}~");
			to->error_pages++;
		}
		assert_int_equal(http_error_status(to, page, http_own_names[i], &error), 0);
	}
}

static void draw_http(struct rcxlb_http *to)
{
	http_defaults(to, draw(2) ? RCXLB_HTTP_PARSED : 0);
	if (!to->flags)
		return;
	to->head_bytes = HTTP_LEAST_HEAD_BYTES + draw(HTTP_MOST_HEAD_BYTES - HTTP_LEAST_HEAD_BYTES + 1);
	to->fields = 1 + draw(HTTP_MOST_FIELDS);
	to->body_bytes = draw(2) ? (uint64_t)draw(0x7fffffff) << 32 | draw(0xffffffff) : 0;
	to->head_ms = HTTP_LEAST_MS + draw(HTTP_MOST_MS - HTTP_LEAST_MS + 1);
	to->body_ms = HTTP_LEAST_MS + draw(HTTP_MOST_MS - HTTP_LEAST_MS + 1);
	to->answer_ms = HTTP_LEAST_MS + draw(HTTP_MOST_MS - HTTP_LEAST_MS + 1);
	to->access_log_json = draw(2);
	if (to->access_log_json || draw(2))
		assert_int_equal(http_log_to(to, draw(2) ? "journal" : "/var/log/x y: \"z\".log", &error), 0);
	for (int i = 0, count = draw(4); i < count; i++) {
		static const char *const forms[] = { "192.0.%d.0/24", "2001:db8:%d::/48", "::ffff:10.0.0.%d", "%d::1" };
		char text[64];

		snprintf(text, sizeof(text), forms[draw(LENGTH(forms))], i + 1);
		assert_int_equal(http_trust(to, text, &error), 0);
	}
	for (int i = 0, count = draw(RCXLB_MAX_HEADERS + 1); i < count; i++) {
		char name[64] = "", value[192] = "";

		draw_text(name, 40, "!#$%&'*+-.^_`|~abcXYZ019");
		sprintf(name + strlen(name), "%c", 'A' + i);
		draw_text(value, 190, "a b:\"'\\#-*&![]{}%@`,<>|?~0");
		value[0] = value[strlen(value) - 1] = 'x';
		if (header_set(to, name, value, &error)) /* the same as another, or one that rcxlb sets itself */
			i = count;
	}
	if (draw(2))
		draw_pages(to);
}

static void draw_service(struct model *model, int number)
{
	struct model_service service = {};
	char text[RCXLB_TEXT_LEN];

	draw_text(service.name, 25, "abcXYZ019-_.");
	sprintf(service.name + strlen(service.name), "%d", number);
	model_service_defaults(&service, draw(2));
	service.balance = draw(3);
	service.load_factor = 101 + draw(9900);
	service.blocked_ms = 1 + draw(60000);
	service.slow_start_ms = draw(3600001);
	service.idle_ms = 1 + draw(RCXLB_MAX_IDLE_MS);
	if (draw(5)) {
		draw_check(&service.check);
		draw_http(&service.http);
		if (service.http.flags && service.hash == RCXLB_HASH_CLIENT && service.balance != RCXLB_BALANCE_LEAST)
			assert_int_equal(http_set_affinity(&service.http, draw(2) ? "cookie" : "none", &error), 0);
		service.tls.certificates = draw(3);
		if (service.http.flags && draw(2))
			strcpy(service.http.acme, "/var/www: \"x\"");
	} else {
		http_defaults(&service.http, RCXLB_HTTP_REDIRECT);
	}
	for (uint32_t i = 0; i < service.tls.certificates; i++) {
		service.tls.file[i].certificate[0] = service.tls.file[i].key[0] = '/';
		draw_text(service.tls.file[i].certificate + 1, RCXLB_PATH_LEN - 2, "abc/. :*'\"\\");
		draw_text(service.tls.file[i].key + 1, RCXLB_PATH_LEN - 2, "abc/. -#&[]{}~");
	}
	for (int i = 0, count = 1 + draw(8); i < count; i++) {
		static const char *const forms[] = { "*:%d", "192.0.2.7:%d", "[2001:db8::7]:%d", "0.0.0.0:%d",
						     "[::]:%d" };

		snprintf(text, sizeof(text), forms[draw(LENGTH(forms))], 1 + number * 10 + i);
		assert_int_equal(model_service_listen(&service, text, &error), 0);
	}
	assert_int_equal(model_service_set(model, &service, &error), 0);
}

static void draw_model(struct model *model)
{
	struct model_backend *backend;
	struct rcxlb_endpoint endpoint;
	int services = draw(6);
	char text[RCXLB_TEXT_LEN];

	memset(model, 0, sizeof(*model));
	model_settings_defaults(&model->settings);
	if (draw(2))
		model->settings.metrics = endpoint_any(draw(2), draw(2) * 9000);
	if (!model->settings.metrics.port)
		model->settings.metrics = (struct rcxlb_endpoint){};
	model->settings.workers = draw(RCXLB_MAX_WORKERS + 1);
	model->hash_key[0] = (uint64_t)draw(0xffffffff) << 32 | draw(0xffffffff);
	model->hash_key[1] = 1 + draw(100);
	for (int i = 0; i < services; i++)
		draw_service(model, i);
	for (int i = 0, count = services ? draw(60) : 0; i < count; i++) {
		struct model_service *service = &model->service[draw(services)];

		if (http_redirect_name(&service->http)[0])
			continue;
		snprintf(text, sizeof(text), draw(2) ? "127.0.0.1:%d" : "[::1]:%d", 3000 + (int)draw(100));
		assert_int_equal(endpoint_parse(text, false, &endpoint, &error), 0);
		assert_int_equal(model_backend_add(model, service, &endpoint, &backend, &error), 0);
		backend->weight = 1 + draw(256);
		backend->max_connections = draw(2) ? draw(0xffffffff) : 0;
		backend->draining = draw(2);
	}
	for (int i = 1; i < services; i++) /* to one that does not go for another check of the same backends */
		if (model->service[i].http.flags && !http_redirect_name(&model->service[0].http)[0] && draw(2))
			http_route(&model->service[i].http, draw(2) ? "/a/b%20" : "/{|}^`~", 0, &error);
	for (int i = 0; i < services; i++) /* some come and go, so that ids have holes and histories */
		if (!draw(4))
			model_service_delete(model, model->service[i].name, &error);
	for (int i = 1; i < services; i++) {
		uint32_t shared;
		const struct model_service *rival = model_check_rival(model, &model->service[i], &shared);

		if (rival)
			model->service[i].check = rival->check;
		if (model_check_rival(model, &model->service[i], &shared))
			model_service_delete(model, model->service[i].name, &error);
	}
}

static void assert_reads_as(struct model *model, const char *text)
{
	static struct model merged;

	if (config_read(text, strlen(text), &config, &mistakes)) {
		print_error("%s\n", text);
		fail_msg("%u: %s", mistakes.entry[0].line, mistakes.entry[0].text);
	}
	assert_int_equal(model_merge(model, &config.model, &merged, &error), 0);
	if (memcmp(&merged, model, sizeof(merged))) {
		print_error("%s\n", text);
		fail_msg("it was read as another model");
	}
}

static void what_is_printed_is_read_as_the_same(void **state)
{
	static struct model model;

	(void)state;
	for (int i = 0; i < 500; i++) {
		char *text = NULL;
		size_t size;
		json_t *tree;
		FILE *to;

		draw_model(&model);
		tree = config_tree(&model, NULL, 0);
		to = open_memstream(&text, &size);
		assert_non_null(tree);
		assert_non_null(to);
		assert_int_equal(config_write_yaml(tree, to), 0);
		fclose(to);
		assert_reads_as(&model, text);
		free(text);
		text = json_dumps(tree, JSON_COMPACT | JSON_REAL_PRECISION(6));
		assert_reads_as(&model, text);
		free(text);
		json_decref(tree);
	}
}

static void interfaces_are_printed_and_read_again(void **state)
{
	static const struct rcxlb_interface interfaces[] = { { "eth0", RCXLB_XDP_NATIVE },
							     { "eth0.5", RCXLB_XDP_SKB },
							     { "off", RCXLB_XDP_NONE },
							     { "1", RCXLB_XDP_NATIVE } };
	static const enum xdp_choice choices[] = { XDP_AUTO, XDP_SKB, XDP_OFF, XDP_AUTO };
	static struct model model;
	json_t *tree = config_tree(&model, interfaces, LENGTH(interfaces));
	char *text = json_dumps(tree, 0);

	(void)state;
	assert_int_equal(read_text(text), 0);
	assert_int_equal(config.interfaces.count, LENGTH(interfaces));
	for (size_t i = 0; i < LENGTH(interfaces); i++) {
		assert_string_equal(config.interfaces.entry[i].name, interfaces[i].name);
		assert_int_equal(config.interfaces.entry[i].xdp, choices[i]);
	}
	free(text);
	json_decref(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_its_effect),
		cmocka_unit_test(every_key_of_http_has_its_effect),
		cmocka_unit_test(what_is_not_said_is_as_usual),
		cmocka_unit_test(other_ways_to_write_it),
		cmocka_unit_test(the_list_of_keys_is_sound),
		cmocka_unit_test(what_is_printed_is_read_as_the_same),
		cmocka_unit_test(interfaces_are_printed_and_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
