// SPDX-License-Identifier: BSD-2-Clause
/* The text that Prometheus reads. tests/monitoring/metrics.txt is what it is for the model below. */
#include "test.h"

#include <errno.h>
#include <stdbool.h>

#include "agent/exposition.h"
#include "agent/metrics.h"
#include "core/endpoint.h"

#define EXAMPLE "tests/monitoring/metrics.txt"

static struct model model;
static struct facts facts;
static struct metrics_agent agent;
static struct rcxlb_answers answers[RCXLB_ANSWERS_KEY(RCXLB_MAX_SERVICES, 0)];
static struct error error;

static int setup(void **state)
{
	(void)state;
	memset(&model, 0, sizeof(model));
	memset(&facts, 0, sizeof(facts));
	memset(&agent, 0, sizeof(agent));
	agent.version = "0.1.0";
	agent.started_ns = 1700000000123456789;
	return 0;
}

static void add_service(const char *name, const char *listen, uint8_t hash)
{
	struct model_service wished = {};

	strcpy(wished.name, name);
	model_service_defaults(&wished, hash);
	assert_int_equal(model_service_listen(&wished, listen, &error), 0);
	assert_int_equal(model_service_set(&model, &wished, &error), 0);
}

/* Returns the id. */
static uint32_t add_backend(const char *service, const char *address)
{
	struct rcxlb_endpoint endpoint;
	struct model_backend *backend;

	assert_int_equal(endpoint_parse(address, false, &endpoint, &error), 0);
	assert_int_equal(model_backend_add(&model, model_service_find(&model, service), &endpoint, &backend, &error),
			 0);
	return backend - model.backend;
}

static void add_interface(const char *name, uint32_t mode)
{
	struct rcxlb_interface *interface = &facts.interface[facts.interfaces++];

	strcpy(interface->name, name);
	interface->mode = mode;
}

/* What metrics_write() makes of it all; the caller's to free. */
static char *written(void)
{
	size_t size;
	char *text;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	metrics_count_untold(&agent.untold, &facts);
	assert_int_equal(metrics_write(to, &model, &facts, &agent), 0);
	assert_int_equal(fclose(to), 0);
	return text;
}

static char *read_example(void)
{
	FILE *file = fopen(EXAMPLE, "r");
	char *text = calloc(1, 65536);

	if (!file)
		fail_msg("cannot open %s: %s; run this in the project's folder", EXAMPLE, strerror(errno));
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

/* A service with TLS and HTTP, whose workers of two crews have counted something of each kind. */
static void the_workers(void)
{
	add_service("secure", "*:443", RCXLB_HASH_TUPLE);
	model.service[3].tls.certificates = 1;
	model.service[3].http.flags = RCXLB_HTTP_PARSED;
	facts.service[3].no_worker = 8;
	facts.clients[3].open = 25;
	facts.clients[3].handshaking = 3;
	facts.tally[3] = (struct rcxlb_tally){
		.accepted = 1000,
		.accept_pauses = 2,
		.handshakes_ok = 900,
		.handshakes_resumed = 200,
		.handshakes_failed = 30,
		.handshakes_timed_out = 40,
		.handshakes_evicted = 5,
		.kernel_sends = 860,
		.kernel_receives = 851,
		.ktls_reasons = { 850, 10, 11, 12, 13, 2, 2 },
		.connects_failed = 9,
		.connects_retried = 6,
		.silent = 70,
		.unserved = 4,
		.relay_ends = { 700, 60, 50, 15, 1 },
		.bytes_up = 123456,
		.bytes_down = 18446744073709551615ull,
		.requests = 5000,
		.request_retries = 7,
		.answers = { 1, 4000, 500, 400, 98 },
		.own_answers = { 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26 },
		.answers_cut = 9,
		.took = { 1000, 900, 800, 700, 600, 500, 200, 100, 50, 40, 30, 79 },
		.took_ms = 1234567,
		.access_lines_lost = 3,
	};
	facts.answers = answers;
	answers[RCXLB_ANSWERS_KEY(3, 0)] = (struct rcxlb_answers){ { 1, 3000, 400, 300, 2 } };
	answers[RCXLB_ANSWERS_KEY(3, 3)] = (struct rcxlb_answers){ { 0, 900, 0, 0, 0 } };
	answers[RCXLB_ANSWERS_KEY(3, 500)] = (struct rcxlb_answers){ { 0, 1, 0, 0, 0 } }; /* of one that is gone */
	answers[RCXLB_ANSWERS_KEY(0, 0)] = (struct rcxlb_answers){ { 0, 1, 0, 0, 0 } };	  /* when it still parsed */
	facts.crew = (struct rcxlb_crew){ 2, 7 };
	facts.worker[0] = (struct worker_facts){ .pid = 100, .crew = 5, .number = 1, .open = 5 };
	facts.worker[1] = (struct worker_facts){ .pid = 200, .crew = 7, .number = 0, .open = 12 };
	facts.worker[2] = (struct worker_facts){ .pid = 201, .crew = 7, .number = 1, .open = 8 };
	facts.workers = 3;
}

/* Two services that share a backend, and a backend in each state; and one with TLS. */
static void the_example(void)
{
	uint32_t up, down, absent, draining;

	add_service("chat", "*:80", RCXLB_HASH_TUPLE);
	add_service("polling", "*:8080", RCXLB_HASH_CLIENT);
	add_service("empty", "*:81", RCXLB_HASH_TUPLE);
	up = add_backend("chat", "127.0.0.1:3001");
	add_backend("polling", "127.0.0.1:3001");
	down = add_backend("chat", "127.0.0.1:3002");
	absent = add_backend("chat", "127.0.0.1:3003");
	draining = add_backend("polling", "[::1]:3004");
	model.backend[up].weight = 2;
	model.backend[up].max_connections = 500;
	model.backend[draining].draining = true;
	facts.backend[up] = (struct backend_facts){
		.ipv4 = true,
		.load = { .active = 12, .steered = 3456, .spilled = 7, .failovers = 3 },
	};
	facts.backend[down] = (struct backend_facts){
		.ipv6 = true,
		.down = true,
		.loop = RCXLB_LOOP_STOPPED,
		.accept_queue = 5,
		.load = { .active = 4, .steered = 400, .refused = 95 },
	};
	facts.backend[absent].load.refused = 95;
	facts.backend[draining] = (struct backend_facts){ .ipv6 = true, .loop = RCXLB_LOOP_AWAKE };
	facts.service[0] = (struct rcxlb_exits){
		.assigned = 3850, .no_backend = 1, .none_usable = 2, .assign_failed = 3, .checked = 99, .untold = 4
	};
	facts.service[1].assigned = 6;
	the_workers();
	facts.service[RCXLB_MAX_SERVICES] = (struct rcxlb_exits){ .not_tcp = 20, .no_service = 30, .untold = 1 };
	facts.guard[RCXLB_GUARD_PASS] = (struct rcxlb_guard_stats){ 18446744073709551615ull, 64000 };
	add_interface("eth0", RCXLB_XDP_NATIVE);
	add_interface("eth1", RCXLB_XDP_SKB);
	add_interface("lo", RCXLB_XDP_NONE);
	agent.check[up] = (struct metrics_check){ RCXLB_HEALTH_UP, 1700000002000000000, 1000, 1, 1234567 };
	agent.check[down] = (struct metrics_check){ RCXLB_HEALTH_DOWN, 1700000100500000000, 40, 60, 1000000000 };
}

static void the_example_is_what_is_written(void **state)
{
	char *text, *expected = read_example();

	(void)state;
	the_example();
	text = written();
	assert_string_equal(text, expected);
	free(expected);
	free(text);
}

static void assert_untold(const char *line)
{
	char *text = written();

	assert_non_null(strstr(text, line));
	free(text);
}

/* A counter that falls is one that began anew, to who reads it. */
static void untold_events_of_a_deleted_service_stay_counted(void **state)
{
	(void)state;
	the_example();
	assert_untold("\nrcxlb_events_untold_total 5\n");
	facts.service[0] = (struct rcxlb_exits){};
	assert_untold("\nrcxlb_events_untold_total 5\n");
	facts.service[0].untold = 2;
	assert_untold("\nrcxlb_events_untold_total 7\n");
	facts.service[0].untold = 3;
	assert_untold("\nrcxlb_events_untold_total 8\n");
}

/* A backend of two services has its numbers once; who it belongs to, twice. */
static void numbers_of_a_shared_backend_are_written_once(void **state)
{
	char *text, *found;
	int counted = 0;

	(void)state;
	the_example();
	text = written();
	for (found = text; (found = strstr(found, "rcxlb_backend_steered_total{backend=\"127.0.0.1:3001\"")); found++)
		counted++;
	assert_int_equal(counted, 1);
	assert_non_null(strstr(text, "\nrcxlb_service_backend_info{service=\"chat\",backend=\"127.0.0.1:3001\"} 1\n"));
	assert_non_null(
	    strstr(text, "\nrcxlb_service_backend_info{service=\"polling\",backend=\"127.0.0.1:3001\"} 1\n"));
	free(text);
}

static void nothing_loaded_yet(void **state)
{
	char *text;

	(void)state;
	text = written();
	assert_null(strstr(text, "backend=\""));
	assert_null(strstr(text, "service=\""));
	assert_non_null(strstr(text, "\nrcxlb_guard_packets_total{reason=\"pass\"} 0\n"));
	free(text);
}

/* A backend that was removed keeps its address in the model, and has no series. */
static void a_removed_backend_has_no_series(void **state)
{
	struct rcxlb_endpoint endpoint;
	char *text;

	(void)state;
	add_service("chat", "*:80", RCXLB_HASH_TUPLE);
	add_backend("chat", "127.0.0.1:3001");
	add_backend("chat", "127.0.0.1:3002");
	assert_int_equal(endpoint_parse("127.0.0.1:3001", false, &endpoint, &error), 0);
	assert_int_equal(model_backend_remove(&model, model_service_find(&model, "chat"), &endpoint, &error), 0);
	text = written();
	assert_null(strstr(text, "127.0.0.1:3001"));
	assert_non_null(strstr(text, "127.0.0.1:3002"));
	free(text);
}

static void label_values_are_escaped(void **state)
{
	static const struct {
		const char *about, *value, *text;
	} rows[] = {
		{ "plain", "eth0", "eth0" },
		{ "empty", "", "" },
		{ "a quote", "a\"b", "a\\\"b" },
		{ "a backslash", "a\\b", "a\\\\b" },
		{ "a newline", "a\nb", "a\\nb" },
		{ "braces and commas stand as they are", "{a,b=c}", "{a,b=c}" },
		{ "characters of two, three and four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a byte that begins nothing", "a\x80z", "a\xef\xbf\xbdz" },
		{ "a character that is cut short by the end", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd" },
		{ "one that is cut short by another", "\xc3z", "\xef\xbf\xbdz" },
		{ "a longer form than needed", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "a longer form of three bytes", "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "a surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "the last character there is", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "one past it", "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "a byte that no character has", "\xff", "\xef\xbf\xbd" },
	};
	static const struct family family = { "x", FAMILY_GAUGE, "" };
	char expected[128], *text;
	size_t size;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct label labels[] = { { "v", rows[i].value }, { "w", "2" }, { 0 } };
		FILE *to = open_memstream(&text, &size);

		assert_non_null(to);
		exposition_sample(to, &family, labels, 1);
		fclose(to);
		snprintf(expected, sizeof(expected), "x{v=\"%s\",w=\"2\"} 1\n", rows[i].text);
		check(!strcmp(text, expected), rows[i].about);
		free(text);
	}
}

static void seconds_have_all_their_digits(void **state)
{
	static const struct {
		const char *about, *text;
		uint64_t nanoseconds;
	} rows[] = {
		{ "none", "x 0.000000000\n", 0 },
		{ "the least", "x 0.000000001\n", 1 },
		{ "a time of this century", "x 1700000000.123456789\n", 1700000000123456789 },
		{ "the most", "x 18446744073.709551615\n", UINT64_MAX },
	};
	static const struct family family = { "x", FAMILY_GAUGE, "" };
	static const struct label none[] = { { 0 } };
	size_t size;
	char *text;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		FILE *to = open_memstream(&text, &size);

		assert_non_null(to);
		exposition_seconds(to, &family, none, rows[i].nanoseconds);
		fclose(to);
		check(!strcmp(text, rows[i].text), rows[i].about);
		free(text);
	}
}

static size_t count(const char *text, const char *what)
{
	size_t found = 0;

	for (; (text = strstr(text, what)); text++)
		found++;
	return found;
}

static void as_many_backends_as_there_may_be(void **state)
{
	char address[32], *text;

	(void)state;
	add_service("chat", "*:80", RCXLB_HASH_TUPLE);
	for (int i = 0; i < RCXLB_MAX_BACKENDS; i++) {
		snprintf(address, sizeof(address), "127.0.0.1:%d", 3001 + i);
		facts.backend[add_backend("chat", address)].ipv4 = true;
	}
	text = written();
	assert_int_equal(count(text, "\nrcxlb_service_backend_info{"), RCXLB_MAX_BACKENDS);
	assert_int_equal(count(text, "\nrcxlb_backend_steered_total{"), RCXLB_MAX_BACKENDS);
	assert_int_equal(count(text, "\nrcxlb_backend_state{"), 4 * RCXLB_MAX_BACKENDS);
	assert_non_null(strstr(text, "\nrcxlb_service_backends_usable{service=\"chat\"} 1024\n"));
	/* A family's samples stand together, below one HELP and one TYPE. */
	assert_int_equal(count(text, "# TYPE rcxlb_backend_up "), 1);
	assert_int_equal(count(text, "# HELP "), count(text, "# TYPE "));
	free(text);
}

static void a_full_device_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setbuf(full, NULL);
	assert_int_equal(metrics_write(full, &model, &facts, &agent), -EIO);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_example_is_what_is_written, setup),
		cmocka_unit_test_setup(untold_events_of_a_deleted_service_stay_counted, setup),
		cmocka_unit_test_setup(numbers_of_a_shared_backend_are_written_once, setup),
		cmocka_unit_test_setup(nothing_loaded_yet, setup),
		cmocka_unit_test_setup(a_removed_backend_has_no_series, setup),
		cmocka_unit_test(label_values_are_escaped),
		cmocka_unit_test(seconds_have_all_their_digits),
		cmocka_unit_test_setup(as_many_backends_as_there_may_be, setup),
		cmocka_unit_test_setup(a_full_device_is_an_error, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
