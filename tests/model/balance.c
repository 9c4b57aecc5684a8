// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sixteen single-threaded instances under each rule of `balance` and under what other balancers do: a table in
 * Markdown, then what must hold of it.
 */
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SHORT_30,
	SHORT_60,
	SHORT_90,
	SHORT_30_FAR,
	SHORT_60_FAR,
	SHORT_60_FARTHER,
	STALL_SHORT,
	STALL_SHORT_FAR,
	STALL_LONG,
	STALL_LONG_FAR,
	STOP_SHORT,
	STOP_SHORT_FAR,
	LONG,
	RESTART,
	RESTART_AT_ONCE,
	WORKLOADS
};

#define NEAR_MS 0.5
#ifndef FAR_MS /* for those who want to know of others */
#define FAR_MS 40
#endif
#define FARTHER_MS 150
#define LATE_MS	   50

static const struct workload workloads[WORKLOADS] = {
	[SHORT_30] = { .name = "short, 30 %", .rtt_ms = NEAR_MS, .load = 0.3, .seconds = 12 },
	[SHORT_60] = { .name = "short, 60 %", .rtt_ms = NEAR_MS, .load = 0.6, .seconds = 12 },
	[SHORT_90] = { .name = "short, 90 %", .rtt_ms = NEAR_MS, .load = 0.9, .seconds = 12 },
	[SHORT_30_FAR] = { .name = "short, 30 %, far", .rtt_ms = FAR_MS, .load = 0.3, .seconds = 12 },
	[SHORT_60_FAR] = { .name = "short, 60 %, far", .rtt_ms = FAR_MS, .load = 0.6, .seconds = 12 },
	[SHORT_60_FARTHER] = { .name = "short, 60 %, farther", .rtt_ms = FARTHER_MS, .load = 0.6, .seconds = 12 },
	[STALL_SHORT] = {
		.name = "short, 60 %, one stalls",
		.rtt_ms = NEAR_MS,
		.load = 0.6,
		.fault = FAULT_STALL,
		.fault_s = 1,
		.seconds = 12,
	},
	[STALL_SHORT_FAR] = {
		.name = "short, 60 %, far, one stalls",
		.rtt_ms = FAR_MS,
		.load = 0.6,
		.fault = FAULT_STALL,
		.fault_s = 1,
		.seconds = 12,
	},
	[STALL_LONG] = {
		.name = "16,000 stay, one stalls",
		.rtt_ms = NEAR_MS,
		.clients = 16000,
		.fill_s = 40,
		.fault = FAULT_STALL,
		.fault_s = 1,
		.seconds = 45,
	},
	[STALL_LONG_FAR] = {
		.name = "16,000 stay, far, one stalls",
		.rtt_ms = FAR_MS,
		.clients = 16000,
		.fill_s = 40,
		.fault = FAULT_STALL,
		.fault_s = 1,
		.seconds = 45,
	},
	[STOP_SHORT] = {
		.name = "short, 60 %, one stopped",
		.rtt_ms = NEAR_MS,
		.load = 0.6,
		.fault = FAULT_STOP,
		.fault_s = 1,
		.seconds = 12,
	},
	[STOP_SHORT_FAR] = {
		.name = "short, 60 %, far, one stopped",
		.rtt_ms = FAR_MS,
		.load = 0.6,
		.fault = FAULT_STOP,
		.fault_s = 1,
		.seconds = 12,
	},
	[LONG] = {
		.name = "16,000 stay, far",
		.rtt_ms = FAR_MS,
		.clients = 16000,
		.fill_s = 40,
		.seconds = 45,
	},
	[RESTART] = { /* who waits for a second at least, so that most come when it is back */
		.name = "16,000 stay, far, one restarts",
		.rtt_ms = FAR_MS,
		.clients = 16000,
		.fill_s = 40,
		.fault = FAULT_RESTART,
		.fault_s = 45,
		.reconnect_s = { 1, 10 },
		.seconds = 60,
	},
	[RESTART_AT_ONCE] = { /* as Meteor's clients do, whose first two attempts come after 10 ms each */
		.name = "16,000 come and go, far, one restarts, clients are back at once",
		.rtt_ms = FAR_MS,
		.clients = 16000,
		.fill_s = 40,
		.lifetime_s = 400,
		.fault = FAULT_RESTART,
		.fault_s = 45,
		.reconnect_s = { 0.01, 0.02 },
		.seconds = 85,
	},
};

struct result {
	double imbalance;
	double wait_mean, wait_p50, wait_p99, answer_p50, answer_p99; /* ms */
	double hashed;						      /* part of them */
	size_t late, connections;
	double back; /* connections of the one with the fault, to those of all on average */
	uint64_t moved, to_absent;
};

static struct result results[WORKLOADS][RULES];

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double percentile(const struct numbers *sorted, double part)
{
	return sorted->count ? sorted->value[(size_t)(part * (sorted->count - 1))] : 0;
}

/* Connections that stay are compared at the end, short ones over the time. */
static double load_of(const struct sim *sim, int instance)
{
	return sim->workload->clients ? sim->instance[instance].active : sim->instance[instance].area;
}

static void tell_balance(const struct sim *sim, struct result *result)
{
	double sum = 0, most = 0;

	for (int i = 0; i < INSTANCES; i++) {
		sum += load_of(sim, i);
		most = fmax(most, load_of(sim, i));
	}
	result->imbalance = most / (sum / INSTANCES);
	result->back = load_of(sim, FAULTY) / (sum / INSTANCES);
	result->hashed = (double)sim->hashed / sim->chosen;
	result->moved = sim->moved;
	result->to_absent = sim->to_absent;
}

static void tell_waits(const struct sim *sim, struct result *result)
{
	const struct numbers *waits = &sim->waits, *answers = &sim->answers;

	qsort(waits->value, waits->count, sizeof(double), by_value);
	qsort(answers->value, answers->count, sizeof(double), by_value);
	for (size_t i = 0; i < waits->count; i++) {
		result->wait_mean += waits->value[i] / waits->count;
		result->late += waits->value[i] > LATE_MS;
	}
	result->connections = waits->count;
	result->wait_p50 = percentile(waits, 0.5);
	result->wait_p99 = percentile(waits, 0.99);
	result->answer_p50 = percentile(answers, 0.5);
	result->answer_p99 = percentile(answers, 0.99);
}

static void run(const struct workload *workload, enum rule rule, struct result *result)
{
	struct sim sim = { .workload = workload, .rule = rule, .table = rules_table() };

	sim_run(&sim);
	tell_balance(&sim, result);
	tell_waits(&sim, result);
	sim_free(&sim);
}

static void print_row(const struct workload *workload, enum rule rule, const struct result *result)
{
	printf("| %s | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.3f | %zu of %zu |", rule ? "" : workload->name,
	       rule_names[rule], result->imbalance, result->wait_p50, result->wait_p99, result->answer_p50,
	       result->answer_p99, result->hashed, result->late, result->connections);
	if (workload->fault == FAULT_RESTART)
		printf(" %.3f |\n", result->back);
	else
		printf(" |\n");
}

static void print_table(void)
{
	printf("| workload | rule | imbalance | accepted p50 | p99 | answered p50 | p99 | hash's choice | > %d ms | "
	       "restarted has |\n|---|---|---|---|---|---|---|---|---|---|\n",
	       LATE_MS);
	for (int w = 0; w < WORKLOADS; w++)
		for (int r = 0; r < RULES; r++)
			print_row(&workloads[w], r, &results[w][r]);
	printf("\n%d instances. Imbalance: the most connections that one has, to the average; of short connections over"
	       " the time, of those that stay at the end. Accepted, answered: ms from the end of the handshake. Far: a"
	       " round trip takes %d ms on average, farther: %d, else %.1f. Restarted has: connections, to the average"
	       " of all.\n",
	       INSTANCES, FAR_MS, FARTHER_MS, NEAR_MS);
}

static int failures;

static void must(bool holds, int workload, int rule, const char *what, double is, double limit)
{
	if (holds)
		return;
	fprintf(stderr, "not so: %s, %s: %s: %.3f, and not %.3f\n", workloads[workload].name, rule_names[rule], what,
		is, limit);
	failures++;
}

/* The model against theory: Pollaczek and Khinchine's mean wait of a queue with random arrivals. */
static void check_model(int workload)
{
	const double load = workloads[workload].load, variation = 1.0 / 12; /* of work from 0.5 to 1.5, squared */
	const double wait = load / (1 - load) * WORK_MS * (1 + variation) / 2;

	for (int r = 0; r < RULES; r++)
		if (r == RANDOM || r == CONSISTENT)
			must(fabs(results[workload][r].wait_mean / wait - 1) <= 0.07, workload, r,
			     "the mean wait in ms is that of theory", results[workload][r].wait_mean, wait);
}

static void check_everywhere(int w)
{
	for (int r = 0; r < RULES; r++)
		must(!results[w][r].to_absent, w, r, "nobody is given to an absent one", results[w][r].to_absent, 0);
	must(!results[w][CONSISTENT].moved, w, CONSISTENT, "no client of one that is up moves",
	     results[w][CONSISTENT].moved, 0);
}

/* Who does not count connections, and so sends clients to whom has stopped to serve them. */
static void check_fault(int w)
{
	static const enum rule blind[] = { ROUND_ROBIN, RANDOM, CONSISTENT };
	const struct result *result = results[w];

	for (size_t i = 0; i < LENGTH(blind); i++)
		for (int r = BOUNDED; r <= LEAST; r++)
			must(result[r].wait_p99 <= result[blind[i]].wait_p99, w, r,
			     "the p99 wait in ms is at most that of any rule that does not count connections",
			     result[r].wait_p99, result[blind[i]].wait_p99);
}

static void check_stall(int w)
{
	const struct result *result = results[w];

	for (int peer = 0; peer < CONSISTENT; peer++)
		must(result[LEAST].late <= result[peer].late, w, LEAST,
		     "no more wait for long than under any rule of other balancers", result[LEAST].late,
		     result[peer].late);
}

/* Who looks at loops a round trip before it matters must not do worse than who does not look. */
static void check_no_fault(int w)
{
	static const enum rule blind[] = { RANDOM, CONSISTENT };
	const struct result *result = results[w];

	for (size_t i = 0; i < LENGTH(blind); i++)
		must(result[LEAST].wait_p99 <= result[blind[i]].wait_p99, w, LEAST,
		     "the p99 wait in ms is at most that of chance, and of the hash alone", result[LEAST].wait_p99,
		     result[blind[i]].wait_p99);
}

static void check_hashed(int w)
{
	const double least = 0.985;

	must(results[w][BOUNDED].hashed >= least, w, BOUNDED, "so many go to their hash's choice",
	     results[w][BOUNDED].hashed, least);
}

static void check_back(int w, int rule)
{
	must(fabs(results[w][rule].back - 1) <= 0.25, w, rule, "the restarted one has its share within 25 %",
	     results[w][rule].back, 0.75);
}

int main(void)
{
	for (int w = 0; w < WORKLOADS; w++)
		for (int r = 0; r < RULES; r++)
			run(&workloads[w], r, &results[w][r]);
	print_table();
	fflush(stdout);

	check_model(SHORT_30);
	check_model(SHORT_60);
	for (int w = 0; w < WORKLOADS; w++)
		check_everywhere(w);
	for (int w = STALL_SHORT; w <= STOP_SHORT_FAR; w++)
		check_fault(w);
	for (int w = STALL_SHORT; w <= STALL_LONG_FAR; w++)
		check_stall(w);
	for (int w = 0; w < WORKLOADS; w++)
		if (workloads[w].fault == NO_FAULT)
			check_no_fault(w);
	check_hashed(SHORT_30);
	check_hashed(SHORT_60);
	check_hashed(SHORT_30_FAR);
	check_hashed(SHORT_60_FAR);
	check_hashed(SHORT_60_FARTHER);
	check_back(RESTART, BOUNDED);
	check_back(RESTART, LEAST);
	check_back(RESTART_AT_ONCE, LEAST); /* without `bounded`: their hash's choice was absent when they came */
	return failures ? 1 : 0;
}
