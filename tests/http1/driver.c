// SPDX-License-Identifier: BSD-2-Clause
/* The HTTP/1 core as a program, for tests in other languages: see usage(). */
#include <stdint.h>
#include <time.h>

#include "cases.h"
#include "input.h"

static void usage(void)
{
	fputs("usage: driver cases           the table, as JSON\n"
	      "       driver corpus FILE...  what becomes of the fuzzer's inputs, in the same JSON\n"
	      "       driver seeds FOLDER    the table as inputs of the fuzzer\n"
	      "       driver requests        standard input as a client's bytes; what goes to the instance on standard "
	      "output\n"
	      "       driver answers         the same of an instance's bytes\n"
	      "       driver bench N         standard input as a client's bytes, N times: parsed, and parsed and "
	      "written\n",
	      stderr);
	exit(2);
}

static struct trip_bytes read_all(FILE *from)
{
	struct trip_bytes bytes = {};
	char block[4096];
	size_t length;

	while ((length = fread(block, 1, sizeof(block), from)))
		trip_append(&bytes, block, length);
	return bytes;
}

/* As a JSON string whose characters are the bytes, up to U+00FF. */
static void print_bytes(const char *name, const char *at, size_t length)
{
	printf("\"%s\":\"", name);
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = at[i];

		if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\')
			printf("\\u%04x", byte);
		else
			putchar(byte);
	}
	putchar('"');
}

/* What comes in, what goes on (as the table has it, and as bytes on the wire), and how it ends. */
static void print_trip(const char *what, const char *section, const char *bytes, size_t length,
		       const struct trip_settings *settings, bool last)
{
	static const char *const states[] = { "between", "within", "held", "closed", "failed" };
	bool limited = settings->head_limit || settings->fields_limit || settings->target_limit || settings->body_limit;
	struct trip *trip = trip_make(settings, bytes, length, (struct trip_cut){});

	putchar('{');
	print_bytes("what", what, strlen(what));
	printf(",\"section\":\"%s\",\"answer\":%s,\"trusted\":%s,\"secure\":%s,\"set\":%s,\"limited\":%s,"
	       "\"to_head\":%s,\"to_upgrade\":%s,\"to_http10\":%s,\"to_close\":%s,\"asked\":%u,",
	       section, settings->answers ? "true" : "false", settings->trusted ? "true" : "false",
	       settings->secure ? "true" : "false", settings->set_count ? "true" : "false", limited ? "true" : "false",
	       settings->to_head ? "true" : "false", settings->to_upgrade ? "true" : "false",
	       settings->to_http10 ? "true" : "false", settings->to_close ? "true" : "false",
	       settings->asked ? settings->asked : 1);
	print_bytes("bytes", bytes, length);
	putchar(',');
	print_bytes("sees", trip->text.at, trip->text.length);
	putchar(',');
	print_bytes("wire", trip->wire.at, trip->wire.length);
	printf(",\"messages\":[");
	for (unsigned int m = 0; m < trip->marks; m++) {
		const struct trip_mark *mark = &trip->mark[m];
		size_t end = m + 1 < trip->marks ? trip->mark[m + 1].head : trip->text.length;

		printf("%s{", m ? "," : "");
		print_bytes("head", trip->text.at + mark->head, mark->body - mark->head);
		putchar(',');
		end -= mark->complete ? sizeof(TRIP_END) - 1 : 0;
		print_bytes("body", trip->text.at + mark->body, end - mark->body);
		printf(",\"complete\":%s}", mark->complete ? "true" : "false");
	}
	printf("],\"status\":%d,\"state\":\"%s\",", trip->status, states[trip->state]);
	print_bytes("why", trip->why ? trip->why : "", trip->why ? strlen(trip->why) : 0);
	printf("}%s\n", last ? "" : ",");
	trip_free(trip);
}

static void print_cases(void)
{
	const size_t requests = sizeof(http1_request_cases) / sizeof(*http1_request_cases);
	const size_t answers = sizeof(http1_answer_cases) / sizeof(*http1_answer_cases);

	puts("[");
	for (size_t i = 0; i < requests + answers; i++) {
		const struct http1_case *c = i < requests ? &http1_request_cases[i] : &http1_answer_cases[i - requests];

		print_trip(c->what, c->section, c->bytes, c->length, &c->settings, i + 1 == requests + answers);
	}
	puts("]");
}

static int print_corpus(int count, char **paths)
{
	puts("[");
	for (int i = 0; i < count; i++) {
		FILE *file = fopen(paths[i], "rb");
		struct trip_settings settings;
		struct trip_bytes input;
		struct trip_cut cut;
		size_t begin;

		if (!file) {
			fprintf(stderr, "driver: %s: %s\n", paths[i], strerror(errno));
			return 1;
		}
		input = read_all(file);
		fclose(file);
		begin = input_settings((const uint8_t *)input.at, input.length, &settings, &cut);
		print_trip(paths[i], "", input.at + begin, input.length - begin, &settings, i + 1 == count);
		free(input.at);
	}
	puts("]");
	return 0;
}

static int write_seed(const char *folder, const char *kind, size_t number, const struct http1_case *c)
{
	uint8_t head[INPUT_HEAD];
	char path[4096];
	FILE *file;

	input_from_settings(&c->settings, head);
	snprintf(path, sizeof(path), "%s/%s-%zu", folder, kind, number);
	file = fopen(path, "wb");
	if (!file) {
		fprintf(stderr, "driver: %s: %s\n", path, strerror(errno));
		return 1;
	}
	fwrite(head, 1, sizeof(head), file);
	fwrite(c->bytes, 1, c->length, file);
	return fclose(file) ? 1 : 0;
}

static int write_seeds(const char *folder)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(http1_request_cases) / sizeof(*http1_request_cases); i++)
		failed |= write_seed(folder, "request", i, &http1_request_cases[i]);
	for (size_t i = 0; i < sizeof(http1_answer_cases) / sizeof(*http1_answer_cases); i++)
		failed |= write_seed(folder, "answer", i, &http1_answer_cases[i]);
	return failed;
}

static int pass_on(bool answers)
{
	const struct trip_settings settings = { .answers = answers };
	struct trip_bytes input = read_all(stdin);
	struct trip *trip = trip_make(&settings, input.at ? input.at : "", input.length, (struct trip_cut){});
	int status = trip->status;

	fwrite(trip->wire.at, 1, trip->wire.length, stdout);
	if (status)
		fprintf(stderr, "driver: %d: %s\n", status, trip->why);
	free(input.at);
	trip_free(trip);
	return status ? 1 : 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Every complete request of the input, `rounds` times. */
static int bench(unsigned long rounds, bool write)
{
	static struct http1_parser parser;
	static char head[HTTP1_MAX_HEAD], to[HTTP1_HEAD_ROOM];
	const struct http1_arrival arrival = { .client = HTTP1_SPAN("192.0.2.7"), .port = 80 };
	static struct trip_bytes input;
	size_t requests = 0, written = 0;
	double began, took;

	if (!input.at)
		input = read_all(stdin);
	began = now();
	for (unsigned long round = 0; round < rounds; round++) {
		struct http1_event event;
		size_t at = 0;

		http1_requests_init(&parser, head, &http1_default_limits, false);
		do {
			event = http1_next(&parser, input.at + at, input.length - at);
			at += event.used;
			requests += event.kind == HTTP1_END;
			if (event.kind == HTTP1_HEAD && write)
				written += http1_to_instance(&parser.head, &arrival, to, sizeof(to));
		} while (event.kind == HTTP1_HEAD || event.kind == HTTP1_BODY || event.kind == HTTP1_END);
		if (event.kind != HTTP1_MORE) {
			fprintf(stderr, "driver: not the bytes of a client that keeps its connection: %s\n",
				parser.why ? parser.why : "closed");
			return 1;
		}
	}
	took = now() - began;
	printf("%s: %zu requests, %.0f MB/s, %.0f ns a request, %zu bytes written\n",
	       write ? "parsed and written" : "parsed", requests, input.length * rounds / took / 1e6,
	       took / requests * 1e9, written);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "cases"))
		print_cases();
	else if (argc > 2 && !strcmp(argv[1], "corpus"))
		return print_corpus(argc - 2, argv + 2);
	else if (argc == 3 && !strcmp(argv[1], "seeds"))
		return write_seeds(argv[2]);
	else if (argc == 2 && (!strcmp(argv[1], "requests") || !strcmp(argv[1], "answers")))
		return pass_on(!strcmp(argv[1], "answers"));
	else if (argc == 3 && !strcmp(argv[1], "bench") && strtoul(argv[2], NULL, 10))
		return bench(strtoul(argv[2], NULL, 10), false) || bench(strtoul(argv[2], NULL, 10), true);
	else
		usage();
	return 0;
}
