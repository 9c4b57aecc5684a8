// SPDX-License-Identifier: BSD-2-Clause
/*
 * The loaded steer program against the pure choice: random clients through BPF_PROG_TEST_RUN and through the C that
 * user space has get the same backend. In a network namespace, with pins and sockets, of its own.
 */
#include "../unit/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/maglev.h"
#include "dataplane/dataplane.h"
#include "rcxlb/choice.h"

#define BACKENDS   64
#define CLIENTS	   10000
#define FIRST_PORT 4001

static struct dataplane *dataplane;
static struct model model;
static struct error error;
static int listener[BACKENDS];
static uint64_t cookie[BACKENDS];
static char run_dir[64], pin_dir[64];

static void loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

/* Every third listens on both families, every third on IPv4 alone, every third is absent. */
static void listen_at(int i)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(FIRST_PORT + i) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(FIRST_PORT + i) };
	socklen_t size = sizeof(cookie[i]);

	listener[i] = -1;
	if (i % 3 == 2)
		return;
	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener[i] = socket(i % 3 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (i % 3)
		assert_int_equal(bind(listener[i], (struct sockaddr *)&four, sizeof(four)), 0);
	else
		assert_int_equal(bind(listener[i], (struct sockaddr *)&six, sizeof(six)), 0);
	assert_int_equal(listen(listener[i], 16), 0);
	assert_int_equal(getsockopt(listener[i], SOL_SOCKET, SO_COOKIE, &cookie[i], &size), 0);
}

static void publish_backends(void)
{
	struct rcxlb_endpoint endpoint;
	struct model_backend *backend;

	assert_int_equal(dataplane_read(dataplane, &model, &error), 0);
	assert_int_equal(endpoint_parse("127.0.0.1:1", false, &endpoint, &error), 0);
	for (int i = 0; i < BACKENDS; i++) {
		endpoint.port = FIRST_PORT + i;
		assert_int_equal(model_backend_add(&model, &model.service[0], &endpoint, &backend, &error), 0);
		backend->weight = 1 + i % 5;
		backend->draining = i % 10 == 0;
	}
	assert_int_equal(dataplane_publish(dataplane, &model, &error), 0);
	assert_int_equal(dataplane_read(dataplane, &model, &error), 0);
}

static int setup(void **state)
{
	struct model_service service = { .name = "default" };
	struct xdp_wishes interfaces = {};
	struct load_options options = { .interfaces = &interfaces, .model = &model, .version = "test" };
	struct load_result result;

	(void)state;
	snprintf(run_dir, sizeof(run_dir), "/tmp/rcxlb-test-%d", getpid());
	snprintf(pin_dir, sizeof(pin_dir), "/sys/fs/bpf/rcxlb-test-%d", getpid());
	setenv("RCXLB_RUN_DIR", run_dir, 1);
	setenv("RCXLB_PIN_DIR", pin_dir, 1);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	loopback_up();
	for (int i = 0; i < BACKENDS; i++)
		listen_at(i);
	assert_int_equal(xdp_wish(&interfaces, "lo", XDP_OFF, &error), 0);
	assert_int_equal(model_service_listen(&service, "*:3000", &error), 0);
	assert_int_equal(model_service_set(&model, &service, &error), 0);
	if (dataplane_load(&options, &result, &error))
		fail_msg("%s", error.text);
	assert_int_equal(dataplane_open(DATAPLANE_CHANGE, &dataplane, &error), 0);
	publish_backends();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dataplane_close(dataplane);
	return dataplane_unload(NULL, 0, false, &error);
}

/* What is known of a backend, told by how it was made instead of by the kernel. */
static struct rcxlb_facts facts_of(uint32_t id, bool ipv4)
{
	int i = model.backend[id].endpoint.port - FIRST_PORT;

	return (struct rcxlb_facts){
		.listens = listener[i] >= 0,
		.takes = listener[i] >= 0 && (ipv4 || i % 3 == 0),
		.draining = model.backend[id].draining,
	};
}

static struct rcxlb_table *make_table(void)
{
	struct rcxlb_table *table = calloc(1, sizeof(*table));
	struct maglev_member members[BACKENDS];

	assert_non_null(table);
	table->members = model_members(&model, &model.service[0], table->member);
	assert_int_equal(table->members, BACKENDS);
	for (uint32_t i = 0; i < table->members; i++) {
		const struct model_backend *backend = &model.backend[table->member[i]];

		members[i] = (struct maglev_member){ backend->endpoint, table->member[i], backend->weight };
	}
	maglev_build(members, table->members, table->slot);
	return table;
}

static uint32_t pure_choice(const struct rcxlb_table *table, const struct rcxlb_endpoint *client,
			    const struct rcxlb_endpoint *local)
{
	struct rcxlb_service service = { .hash_key = { model.hash_key[0], model.hash_key[1] } };
	struct rcxlb_walk walk = rcxlb_walk(table, rcxlb_hash(&service, client, local));
	struct rcxlb_choice choice;
	struct rcxlb_rule rule = { .balance = RCXLB_BALANCE_CONSISTENT };

	rcxlb_begin(&choice, table, &walk);
	for (uint32_t i = 0; i < walk.candidates; i++) {
		uint32_t id = rcxlb_candidate(table, &walk, i);
		struct rcxlb_facts facts = facts_of(id, endpoint_is_ipv4(client));

		if (rcxlb_looked_at(&choice, id, i))
			continue;
		if (rcxlb_offer(&choice, &rule, id, &facts))
			break;
	}
	return choice.chosen;
}

static struct rcxlb_endpoint random_client(bool ipv4)
{
	struct rcxlb_endpoint client = endpoint_any(ipv4, 1 + random() % 65535);

	for (int i = ipv4 ? 12 : 0; i < 16; i++)
		client.address[i] = random();
	return client;
}

static void the_program_and_the_pure_choice_agree(void **state)
{
	struct rcxlb_table *table = make_table();
	struct rcxlb_why why;

	(void)state;
	srandom(1);
	for (int i = 0; i < CLIENTS; i++) {
		bool ipv4 = i % 2;
		struct rcxlb_endpoint client = random_client(ipv4), local = endpoint_any(ipv4, 3000);

		if (dataplane_why(dataplane, &client, &local, &why, &error))
			fail_msg("%s", error.text);
		assert_int_equal(why.chosen, pure_choice(table, &client, &local));
	}
	free(table);
}

static int steer_program(void)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[128];
	int link, program;

	snprintf(path, sizeof(path), "%s/steer", pin_dir);
	link = bpf_obj_get(path);
	assert_true(link >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &size), 0);
	close(link);
	program = bpf_prog_get_fd_by_id(info.prog_id);
	assert_true(program >= 0);
	return program;
}

static void the_socket_assigned_is_the_chosen_ones(void **state)
{
	struct rcxlb_table *table = make_table();
	int program = steer_program();

	(void)state;
	for (int i = 0; i < CLIENTS / 10; i++) {
		struct rcxlb_endpoint client = random_client(true), local = endpoint_any(true, 3000);
		struct bpf_sk_lookup in = { .family = AF_INET, .protocol = IPPROTO_TCP, .local_port = 3000 }, out = {};
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &in, .ctx_size_in = sizeof(in), .ctx_out = &out,
			    .ctx_size_out = sizeof(out));
		uint32_t chosen = pure_choice(table, &client, &local);

		in.remote_port = htons(client.port);
		memcpy(&in.remote_ip4, client.address + 12, 4);
		assert_int_equal(bpf_prog_test_run_opts(program, &opts), 0);
		assert_int_equal(opts.retval, SK_PASS);
		assert_int_equal(out.cookie, cookie[model.backend[chosen].endpoint.port - FIRST_PORT]);
	}
	close(program);
	free(table);
}

static void asking_counts_nothing(void **state)
{
	static struct facts before, after;
	struct rcxlb_endpoint client = random_client(true), local = endpoint_any(true, 3000);
	struct rcxlb_why why;

	(void)state;
	assert_int_equal(dataplane_facts(dataplane, &before, &error), 0);
	assert_int_equal(dataplane_why(dataplane, &client, &local, &why, &error), 0);
	assert_int_equal(dataplane_facts(dataplane, &after, &error), 0);
	assert_int_equal(before.service[0].assigned, after.service[0].assigned);
	assert_int_equal(before.backend[why.chosen].load.steered, after.backend[why.chosen].load.steered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_and_the_pure_choice_agree),
		cmocka_unit_test(the_socket_assigned_is_the_chosen_ones),
		cmocka_unit_test(asking_counts_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
