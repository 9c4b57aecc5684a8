// SPDX-License-Identifier: BSD-2-Clause
#include "agent/metrics_workers.h"

#include "agent/exposition.h"
#include "agent/tally.h"
#include "core/endpoint.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool has_tls(const struct model *model, const struct facts *facts, uint32_t service)
{
	(void)facts;
	return model->service[service].tls.certificates;
}

static bool has_http(const struct model *model, const struct facts *facts, uint32_t service)
{
	(void)facts;
	return model->service[service].name[0] && model->service[service].http.flags;
}

/* Counters that are divided by one label. */
static const struct {
	struct family family;
	const char *label;
	size_t (*parts)(const struct rcxlb_tally *tally, struct tally_part *to);
	bool (*of)(const struct model *model, const struct facts *facts, uint32_t service);
} divided[] = {
	{ { "rcxlb_tls_handshakes_total", FAMILY_COUNTER, "TLS handshakes, by how they ended." },
	  "result",
	  tally_handshakes,
	  has_tls },
	{ { "rcxlb_tls_kernel_total", FAMILY_COUNTER, "TLS connections, by which of their records the kernel has." },
	  "records",
	  tally_kernel,
	  has_tls },
	{ { "rcxlb_tls_user_space_total", FAMILY_COUNTER,
	    "TLS connections of which the kernel has not all records, by why that is." },
	  "reason",
	  tally_reasons,
	  has_tls },
	{ { "rcxlb_worker_ends_total", FAMILY_COUNTER, "Connections that were relayed, by how they ended." },
	  "reason",
	  tally_ends,
	  dataplane_is_worked },
	{ { "rcxlb_worker_unserved_total", FAMILY_COUNTER,
	    "Clients that were given no instance: they left before their first byte, there was none, or the PROXY "
	    "header of "
	    "their proxy was wrong." },
	  "reason",
	  tally_unserved,
	  dataplane_is_worked },
	{ { "rcxlb_worker_connect_failures_total", FAMILY_COUNTER,
	    "Connects of workers to instances that failed, by what was done then." },
	  "outcome",
	  tally_connects,
	  dataplane_is_worked },
	{ { "rcxlb_worker_bytes_total", FAMILY_COUNTER, "Bytes that workers relayed, without those of TLS." },
	  "direction",
	  tally_bytes,
	  dataplane_is_worked },
	{ { "rcxlb_http_answers_total", FAMILY_COUNTER, "Answers given to clients, by the class of their status." },
	  "class",
	  tally_answers,
	  has_http },
	{ { "rcxlb_http_own_answers_total", FAMILY_COUNTER,
	    "Of these, those that workers gave themselves, by status: no instance was asked, or none answered well." },
	  "status",
	  tally_own,
	  has_http },
};

static void write_divided(FILE *to, const struct model *model, const struct facts *facts, size_t which)
{
	struct tally_part part[TALLY_PARTS];

	exposition_family(to, &divided[which].family);
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		size_t parts = divided[which].parts(&facts->tally[id], part);

		for (size_t i = 0; i < parts && divided[which].of(model, facts, id); i++) {
			const struct label labels[] = { { "service", model->service[id].name },
							{ divided[which].label, part[i].name },
							{ 0 } };

			exposition_sample(to, &divided[which].family, labels, part[i].number);
		}
	}
}

static uint64_t accepted(const struct facts *facts, uint32_t id)
{
	return facts->tally[id].accepted;
}

static uint64_t pauses(const struct facts *facts, uint32_t id)
{
	return facts->tally[id].accept_pauses;
}

static uint64_t open_now(const struct facts *facts, uint32_t id)
{
	return facts->clients[id].open;
}

static uint64_t handshaking(const struct facts *facts, uint32_t id)
{
	return facts->clients[id].handshaking;
}

static uint64_t requests(const struct facts *facts, uint32_t id)
{
	return facts->tally[id].requests;
}

static uint64_t retries(const struct facts *facts, uint32_t id)
{
	return facts->tally[id].request_retries;
}

static uint64_t cut(const struct facts *facts, uint32_t id)
{
	return facts->tally[id].answers_cut;
}

static uint64_t lost(const struct facts *facts, uint32_t id)
{
	return facts->tally[id].access_lines_lost;
}

/* One number of each service. */
static const struct {
	struct family family;
	uint64_t (*number)(const struct facts *facts, uint32_t id);
	bool (*of)(const struct model *model, const struct facts *facts, uint32_t service);
} plain[] = {
	{ { "rcxlb_worker_accepted_total", FAMILY_COUNTER, "Connections of clients that workers accepted." },
	  accepted,
	  dataplane_is_worked },
	{ { "rcxlb_worker_accept_pauses_total", FAMILY_COUNTER,
	    "Times that a worker had to stop accepting for a moment: it had as many connections as it may." },
	  pauses,
	  dataplane_is_worked },
	{ { "rcxlb_worker_connections", FAMILY_GAUGE,
	    "Open connections of clients to workers, those in their handshake too." },
	  open_now,
	  dataplane_is_worked },
	{ { "rcxlb_tls_handshaking", FAMILY_GAUGE, "Connections in their TLS handshake." }, handshaking, has_tls },
	{ { "rcxlb_http_requests_total", FAMILY_COUNTER, "Requests whose head was accepted." }, requests, has_http },
	{ { "rcxlb_http_retries_total", FAMILY_COUNTER,
	    "Of these, those that were sent a second time, because the instance had closed before it answered." },
	  retries,
	  has_http },
	{ { "rcxlb_http_answers_cut_total", FAMILY_COUNTER,
	    "Answers whose end did not come, or had no client any more." },
	  cut,
	  has_http },
	{ { "rcxlb_http_access_lines_lost_total", FAMILY_COUNTER,
	    "Lines of the access log that were lost, because disk or journal were too slow." },
	  lost,
	  has_http },
};

static void write_plain(FILE *to, const struct model *model, const struct facts *facts, size_t which)
{
	exposition_family(to, &plain[which].family);
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const struct label labels[] = { { "service", model->service[id].name }, { 0 } };

		if (plain[which].of(model, facts, id))
			exposition_sample(to, &plain[which].family, labels, plain[which].number(facts, id));
	}
}

/* Those of former crews end with their last connection. */
static void write_processes(FILE *to, const struct facts *facts)
{
	static const struct family family = {
		"rcxlb_workers", FAMILY_GAUGE,
		"Processes of workers: those in charge, and former ones that still have connections."
	};
	uint64_t number[2] = {};

	for (uint32_t i = 0; i < facts->workers; i++)
		number[facts->worker[i].crew != facts->crew.number]++;
	exposition_family(to, &family);
	for (int former = 0; former < 2; former++) {
		const struct label labels[] = { { "crew", former ? "former" : "present" }, { 0 } };

		exposition_sample(to, &family, labels, number[former]);
	}
}

static void write_times(FILE *to, const struct model *model, const struct facts *facts)
{
	static const struct family family = {
		"rcxlb_http_request_seconds", FAMILY_HISTOGRAM,
		"Time from a request's first byte to its answer's last one, or to a WebSocket."
	};
	static const uint32_t bound[] = { RCXLB_TOOK_MS };

	exposition_family(to, &family);
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const struct label labels[] = { { "service", model->service[id].name }, { 0 } };
		const struct rcxlb_tally *tally = &facts->tally[id];

		if (has_http(model, facts, id))
			exposition_histogram(to, &family, labels, bound, LENGTH(bound), tally->took, tally->took_ms);
	}
}

/* Of those that have answered anything: services times backends could be many. */
static void write_backend(FILE *to, const struct family *family, const struct model *model, const struct facts *facts,
			  uint32_t service, uint32_t backend)
{
	const struct rcxlb_answers *answers = &facts->answers[RCXLB_ANSWERS_KEY(service, backend)];
	struct rcxlb_tally tally = {};
	struct tally_part part[TALLY_PARTS];
	char text[RCXLB_TEXT_LEN];
	uint64_t sum = 0;
	size_t parts;

	for (int i = 0; i < RCXLB_STATUS_CLASSES; i++)
		sum += tally.answers[i] = answers->by_class[i];
	if (!sum)
		return;
	parts = tally_answers(&tally, part);
	endpoint_format(&model->backend[backend].endpoint, text);
	for (size_t i = 0; i < parts; i++) {
		const struct label labels[] = { { "service", model->service[service].name },
						{ "backend", text },
						{ "class", part[i].name },
						{ 0 } };

		exposition_sample(to, family, labels, part[i].number);
	}
}

static void write_backends(FILE *to, const struct model *model, const struct facts *facts)
{
	static const struct family family = {
		"rcxlb_http_backend_answers_total", FAMILY_COUNTER,
		"Answers of backends given to clients, by the class of their status; of backends that gave any."
	};

	exposition_family(to, &family);
	for (uint32_t service = 0; facts->answers && service < RCXLB_MAX_SERVICES; service++)
		for (uint32_t id = 0; has_http(model, facts, service) && id < RCXLB_MAX_BACKENDS; id++)
			if (model->backend[id].used)
				write_backend(to, &family, model, facts, service, id);
}

void metrics_write_workers(FILE *to, const struct model *model, const struct facts *facts)
{
	write_processes(to, facts);
	for (size_t i = 0; i < LENGTH(plain); i++)
		write_plain(to, model, facts, i);
	for (size_t i = 0; i < LENGTH(divided); i++)
		write_divided(to, model, facts, i);
	write_backends(to, model, facts);
	write_times(to, model, facts);
}
