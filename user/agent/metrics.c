// SPDX-License-Identifier: BSD-2-Clause
#include "agent/metrics.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/exposition.h"
#include "agent/metrics_workers.h"
#include "core/endpoint.h"
#include "core/state.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Everything that there is to tell of. */
struct view {
	const struct model *model;
	const struct facts *facts;
	const struct metrics_agent *agent;
};

static const struct label no_labels[] = { { 0 } };

/* One series of a family that has a second label: what the label says, and the number. */
struct part {
	const char *value;
	uint64_t number;
};

static void write_parts(FILE *to, const struct family *family, struct label first, const char *name,
			const struct part *part, size_t parts)
{
	for (size_t i = 0; i < parts; i++) {
		const struct label labels[] = { first, { name, part[i].value }, { 0 } };

		exposition_sample(to, family, labels, part[i].number);
	}
}

/* The same for a family that has this label alone. */
static void write_reasons(FILE *to, const struct family *family, const struct part *part, size_t parts)
{
	for (size_t i = 0; i < parts; i++) {
		const struct label labels[] = { { "reason", part[i].value }, { 0 } };

		exposition_sample(to, family, labels, part[i].number);
	}
}

/* The agent itself. */

void metrics_count_untold(struct metrics_untold *untold, const struct facts *facts)
{
	for (size_t i = 0; i < LENGTH(facts->service); i++) {
		uint64_t now = facts->service[i].untold;

		untold->sum += now < untold->last[i] ? now : now - untold->last[i];
		untold->last[i] = now;
	}
}

static void write_agent(FILE *to, const struct view *view)
{
	static const struct family build = { "rcxlb_build_info", FAMILY_GAUGE, "Version of the agent." };
	static const struct family started = { "rcxlb_agent_start_time_seconds", FAMILY_GAUGE,
					       "When the agent began, in seconds since 1970." };
	static const struct family untold = {
		"rcxlb_events_untold_total", FAMILY_COUNTER,
		"Events that found no room, because nobody read those before them in time."
	};
	const struct label version[] = { { "version", view->agent->version }, { 0 } };

	exposition_family(to, &build);
	exposition_sample(to, &build, version, 1);
	exposition_family(to, &started);
	exposition_seconds(to, &started, no_labels, view->agent->started_ns);
	exposition_family(to, &untold);
	exposition_sample(to, &untold, no_labels, view->agent->untold.sum);
}

/* The guard, and what else is not of any service. */

static const char *xdp_name(uint32_t mode)
{
	return mode == RCXLB_XDP_NATIVE ? "native" : mode == RCXLB_XDP_SKB ? "skb" : "off";
}

static void write_interfaces(FILE *to, const struct view *view)
{
	static const struct family family = { "rcxlb_interface_info", FAMILY_GAUGE,
					      "Interfaces of the guard, and how it is attached there." };

	exposition_family(to, &family);
	for (uint32_t i = 0; i < view->facts->interfaces; i++) {
		const struct rcxlb_interface *interface = &view->facts->interface[i];
		const struct label labels[] = { { "interface", interface->name },
						{ "xdp", xdp_name(interface->mode) },
						{ 0 } };

		exposition_sample(to, &family, labels, 1);
	}
}

static void write_guard(FILE *to, const struct view *view)
{
	static const struct family packets = { "rcxlb_guard_packets_total", FAMILY_COUNTER,
					       "Packets that the guard saw, by what became of them." };
	static const struct family bytes = { "rcxlb_guard_bytes_total", FAMILY_COUNTER, "The bytes of these packets." };
	static const char *const reasons[RCXLB_GUARD_REASONS] = { [RCXLB_GUARD_PASS] = "pass" };
	struct part packet[RCXLB_GUARD_REASONS], byte[RCXLB_GUARD_REASONS];

	for (int i = 0; i < RCXLB_GUARD_REASONS; i++) {
		packet[i] = (struct part){ reasons[i], view->facts->guard[i].packets };
		byte[i] = (struct part){ reasons[i], view->facts->guard[i].bytes };
	}
	exposition_family(to, &packets);
	write_reasons(to, &packets, packet, LENGTH(packet));
	exposition_family(to, &bytes);
	write_reasons(to, &bytes, byte, LENGTH(byte));
}

static void write_passed(FILE *to, const struct view *view)
{
	static const struct family family = {
		"rcxlb_passed_total", FAMILY_COUNTER,
		"Packets that belong to no connection and to no service: left to the host as they came."
	};
	const struct rcxlb_exits *exits = &view->facts->service[RCXLB_MAX_SERVICES];
	const struct part parts[] = { { "not_tcp", exits->not_tcp }, { "no_service", exits->no_service } };

	exposition_family(to, &family);
	write_reasons(to, &family, parts, LENGTH(parts));
}

/* Services. */

static struct label service_label(const struct view *view, uint32_t id)
{
	return (struct label){ "service", view->model->service[id].name };
}

static void write_service_info(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	const struct model_service *service = &view->model->service[id];
	const struct label labels[] = { service_label(view, id),
					{ "hash", model_hash_name(service->hash) },
					{ "balance", model_balance_name(service->balance) },
					{ 0 } };

	exposition_sample(to, family, labels, 1);
}

static void write_service_members(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	uint16_t members[RCXLB_MAX_BACKENDS];
	uint32_t count = model_members(view->model, &view->model->service[id], members);
	char text[RCXLB_TEXT_LEN];

	for (uint32_t i = 0; i < count; i++) {
		const struct model_backend *backend = &view->model->backend[members[i]];
		const struct label labels[] = { service_label(view, id),
						{ "backend", endpoint_format(&backend->endpoint, text) },
						{ 0 } };

		exposition_sample(to, family, labels, 1);
	}
}

static struct state_input state_of(const struct view *view, uint32_t id)
{
	return dataplane_state(view->model, view->facts, id);
}

static void write_service_usable(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	const struct label labels[] = { service_label(view, id), { 0 } };
	uint64_t usable = 0;

	for (uint32_t i = 0; i < RCXLB_MAX_BACKENDS; i++) {
		struct state_input input = state_of(view, i);

		if (model_is_member(&view->model->service[id], i))
			usable += !strcmp(state_name(&input), "up");
	}
	exposition_sample(to, family, labels, usable);
}

static void write_service_steered(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	const struct label labels[] = { service_label(view, id), { 0 } };

	exposition_sample(to, family, labels, view->facts->service[id].assigned + view->facts->service[id].told);
}

static void write_service_refused(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	const struct rcxlb_exits *exits = &view->facts->service[id];
	const struct part parts[] = { { "no_backend", exits->no_backend },
				      { "none_usable", exits->none_usable },
				      { "assign_failed", exits->assign_failed },
				      { "no_worker", exits->no_worker } };

	write_parts(to, family, service_label(view, id), "reason", parts, LENGTH(parts));
}

/* A family with samples of each service or of each backend. */
struct each_family {
	struct family family;
	void (*write)(FILE *to, const struct family *family, const struct view *view, uint32_t id);
};

static const struct each_family service_families[] = {
	{ { "rcxlb_service_info", FAMILY_GAUGE, "Services, and how they choose." }, write_service_info },
	{ { "rcxlb_service_backend_info", FAMILY_GAUGE, "Which backend belongs to which service: for joins." },
	  write_service_members },
	{ { "rcxlb_service_backends_usable", FAMILY_GAUGE,
	    "Backends of the service that take new connections: listening, healthy, not draining." },
	  write_service_usable },
	{ { "rcxlb_service_steered_total", FAMILY_COUNTER, "New connections given to a backend." },
	  write_service_steered },
	{ { "rcxlb_service_refused_total", FAMILY_COUNTER,
	    "New connections refused: the service has no backend, none is usable, listeners vanished meanwhile, or no "
	    "worker is there." },
	  write_service_refused },
};

/* Backends. */

static struct label backend_label(const struct view *view, uint32_t id, char *to)
{
	return (struct label){ "backend", endpoint_format(&view->model->backend[id].endpoint, to) };
}

static void write_backend(FILE *to, const struct family *family, const struct view *view, uint32_t id, uint64_t value)
{
	char text[RCXLB_TEXT_LEN];
	const struct label labels[] = { backend_label(view, id, text), { 0 } };

	exposition_sample(to, family, labels, value);
}

static void write_up(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	struct state_input input = state_of(view, id);

	write_backend(to, family, view, id, state_is_up(&input));
}

/* A state set: a series for each state, 1 for the one that it is in. */
static void write_states(FILE *to, const struct family *family, const struct view *view, uint32_t id,
			 const char *const *states, size_t count, const char *now)
{
	char text[RCXLB_TEXT_LEN];
	struct label backend = backend_label(view, id, text);

	for (size_t i = 0; i < count; i++) {
		const struct part part = { states[i], !strcmp(states[i], now) };

		write_parts(to, family, backend, "state", &part, 1);
	}
}

static void write_state(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	static const char *const states[] = { "up", "down", "absent", "draining" };
	struct state_input input = state_of(view, id);

	write_states(to, family, view, id, states, LENGTH(states), state_name(&input));
}

static void write_connections(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	write_backend(to, family, view, id, view->facts->backend[id].load.active);
}

/* Without a limit there is no series, so that nothing is divided by 0. */
static void write_max_connections(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	if (view->model->backend[id].max_connections)
		write_backend(to, family, view, id, view->model->backend[id].max_connections);
}

static void write_weight(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	write_backend(to, family, view, id, view->model->backend[id].weight);
}

static void write_accept_queue(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	write_backend(to, family, view, id, view->facts->backend[id].accept_queue);
}

static void write_blocked(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	struct state_input input = state_of(view, id);

	write_backend(to, family, view, id, !strcmp(state_loop(&input), "blocked"));
}

static void write_refused_listener(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	struct state_input input = state_of(view, id);

	write_backend(to, family, view, id, state_is_refused(&input));
}

static void write_steered(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	write_backend(to, family, view, id, view->facts->backend[id].load.steered);
}

static void write_spilled(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	write_backend(to, family, view, id, view->facts->backend[id].load.spilled);
}

static void write_failovers(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	write_backend(to, family, view, id, view->facts->backend[id].load.failovers);
}

static bool was_checked(const struct metrics_check *check)
{
	return check->passed || check->failed;
}

static void write_health(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	static const char *const states[] = {
		[RCXLB_HEALTH_UNKNOWN] = "unknown",
		[RCXLB_HEALTH_UP] = "up",
		[RCXLB_HEALTH_DOWN] = "down",
	};

	write_states(to, family, view, id, states, LENGTH(states),
		     states[view->agent->check[id].state % LENGTH(states)]);
}

static void write_changed(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	char text[RCXLB_TEXT_LEN];
	const struct label labels[] = { backend_label(view, id, text), { 0 } };

	if (view->agent->check[id].changed_ns)
		exposition_seconds(to, family, labels, view->agent->check[id].changed_ns);
}

static void write_checks(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	const struct metrics_check *check = &view->agent->check[id];
	const struct part parts[] = { { "passed", check->passed }, { "failed", check->failed } };
	char text[RCXLB_TEXT_LEN];

	write_parts(to, family, backend_label(view, id, text), "result", parts, LENGTH(parts));
}

static void write_duration(FILE *to, const struct family *family, const struct view *view, uint32_t id)
{
	char text[RCXLB_TEXT_LEN];
	const struct label labels[] = { backend_label(view, id, text), { 0 } };

	if (was_checked(&view->agent->check[id]))
		exposition_seconds(to, family, labels, view->agent->check[id].duration_ns);
}

static const struct each_family backend_families[] = {
	{ { "rcxlb_backend_up", FAMILY_GAUGE, "1: somebody listens there and no health check says that it is down." },
	  write_up },
	{ { "rcxlb_backend_state", FAMILY_GAUGE, "1 for the state that the backend is in." }, write_state },
	{ { "rcxlb_backend_connections", FAMILY_GAUGE, "Open connections that the backend has accepted." },
	  write_connections },
	{ { "rcxlb_backend_max_connections", FAMILY_GAUGE, "Most connections at a time, where there is a limit." },
	  write_max_connections },
	{ { "rcxlb_backend_weight", FAMILY_GAUGE, "Weight of the backend's share." }, write_weight },
	{ { "rcxlb_backend_accept_queue", FAMILY_GAUGE, "Connections that wait for the backend to accept them." },
	  write_accept_queue },
	{ { "rcxlb_backend_blocked", FAMILY_GAUGE, "1: the backend's event loop is blocked at this moment." },
	  write_blocked },
	{ { "rcxlb_backend_listener_refused", FAMILY_GAUGE,
	    "1: the backend listens, and gets no connection: its socket found no room, or is an MPTCP one and no "
	    "worker is there." },
	  write_refused_listener },
	{ { "rcxlb_backend_steered_total", FAMILY_COUNTER, "New connections given to the backend." }, write_steered },
	{ { "rcxlb_backend_spilled_total", FAMILY_COUNTER,
	    "Of the steered: those whose hash's choice was another backend, which was too busy." },
	  write_spilled },
	{ { "rcxlb_backend_failovers_total", FAMILY_COUNTER,
	    "Of the steered: those whose hash's choice was another backend, which was absent, down or draining." },
	  write_failovers },
	{ { "rcxlb_health_state", FAMILY_GAUGE, "1 for what the agent's checks say of the backend." }, write_health },
	{ { "rcxlb_health_changed_timestamp_seconds", FAMILY_GAUGE,
	    "When the checks last changed their mind about the backend, in seconds since 1970." },
	  write_changed },
	{ { "rcxlb_health_checks_total", FAMILY_COUNTER, "Checks since the agent began, by how they ended." },
	  write_checks },
	{ { "rcxlb_health_check_duration_seconds", FAMILY_GAUGE, "How long the last check took." }, write_duration },
};

static void write_services(FILE *to, const struct view *view)
{
	for (size_t i = 0; i < LENGTH(service_families); i++) {
		exposition_family(to, &service_families[i].family);
		for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++)
			if (view->model->service[id].name[0])
				service_families[i].write(to, &service_families[i].family, view, id);
	}
}

static void write_backends(FILE *to, const struct view *view)
{
	for (size_t i = 0; i < LENGTH(backend_families); i++) {
		exposition_family(to, &backend_families[i].family);
		for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
			if (view->model->backend[id].used)
				backend_families[i].write(to, &backend_families[i].family, view, id);
	}
}

int metrics_write(FILE *to, const struct model *model, const struct facts *facts, const struct metrics_agent *agent)
{
	const struct view view = { model, facts, agent };

	write_agent(to, &view);
	write_interfaces(to, &view);
	write_guard(to, &view);
	write_passed(to, &view);
	write_services(to, &view);
	metrics_write_workers(to, model, facts);
	write_backends(to, &view);
	return ferror(to) ? -EIO : 0;
}
