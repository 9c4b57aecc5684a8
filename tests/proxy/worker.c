// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker by itself, for the tests of TLS and of the relay: what the agent will give it comes from the command line,
 * and instances are chosen in turn.
 *
 *	worker --listen ADDR:PORT... --backend ADDR:PORT... [--certificate FILE --key FILE]... [OPTION VALUE]...
 *
 * Says "listening" when it does. SIGHUP: certificates and ticket keys are read again. SIGTERM: ends with its last
 * connection. SIGINT: at once. Whoever connects to the AF_UNIX socket --control gets the counters as JSON. Its exit
 *status is 0 when each instance that was picked has been given back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/address.h"
#include "core/http.h"
#include "core/prefix.h"
#include "proxy/identity_file.h"
#include "proxy/worker.h"

#define LIST_MAX 128

struct program {
	const char *listen[LIST_MAX], *certificates[LIST_MAX], *keys[LIST_MAX], *backends[LIST_MAX];
	unsigned int listen_count, certificates_count, keys_count, backends_count;
	const char *tickets, *control;
	bool no_kernel, client_first;
	struct worker_limits limits;
	struct rcxlb_http http;
	struct http_page pages[RCXLB_MAX_ERROR_PAGES];
	struct rcxlb_proxy proxy;

	struct event_base *base;
	struct rcxlb_endpoint endpoints[LIST_MAX];
	unsigned int next;
	uint64_t picked, ended, failed;
	unsigned int reloads, reload_errors;
	struct ktls_support ktls;
	struct worker *worker;
	int control_fd;
	struct event events[4];
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "certificate", required_argument, NULL, 'c' },
	{ "key", required_argument, NULL, 'k' },
	{ "backend", required_argument, NULL, 'b' },
	{ "tickets", required_argument, NULL, 't' },
	{ "control", required_argument, NULL, 's' },
	{ "client-first", no_argument, NULL, 'f' },
	{ "first-ms", required_argument, NULL, 7 },
	{ "no-kernel", no_argument, NULL, 'n' },
	{ "connections", required_argument, NULL, 1 },
	{ "handshakes", required_argument, NULL, 2 },
	{ "handshake-ms", required_argument, NULL, 3 },
	{ "connect-ms", required_argument, NULL, 4 },
	{ "idle-ms", required_argument, NULL, 5 },
	{ "half-closed-ms", required_argument, NULL, 6 },
	{ "http", no_argument, NULL, 'h' },
	{ "head-bytes", required_argument, NULL, 8 },
	{ "fields", required_argument, NULL, 9 },
	{ "head-ms", required_argument, NULL, 10 },
	{ "body-ms", required_argument, NULL, 11 },
	{ "answer-ms", required_argument, NULL, 12 },
	{ "body-bytes", required_argument, NULL, 'o' },
	{ "trust", required_argument, NULL, 'p' },
	{ "set", required_argument, NULL, 'e' },
	{ "redirect", no_argument, NULL, 'r' },
	{ "send-proxy", no_argument, NULL, 'S' },
	{ "accept-proxy", required_argument, NULL, 'A' },
	{ "error-page", required_argument, NULL, 'E' },
	{ NULL, 0, NULL, 0 },
};

static void die(const char *text)
{
	fprintf(stderr, "worker: %s\n", text);
	exit(1);
}

static void push(const char **list, unsigned int *count)
{
	if (*count == LIST_MAX)
		die("too many of one option");
	list[(*count)++] = optarg;
}

/* ADDR/LENGTH, IPv4. */
static void trust(struct rcxlb_http *http, char *text)
{
	struct rcxlb_prefix *prefix = &http->trusted[http->trusted_count++];
	char *slash = strchr(text, '/');

	if (!slash || http->trusted_count > RCXLB_MAX_TRUSTED)
		die("--trust wants ADDR/LENGTH");
	*slash = 0;
	prefix->address[10] = prefix->address[11] = 0xff;
	if (inet_pton(AF_INET, text, prefix->address + 12) != 1)
		die("--trust wants ADDR/LENGTH");
	prefix->length = 96 + (uint32_t)strtoul(slash + 1, NULL, 10);
}

/* Name: value */
static void set_header(struct rcxlb_http *http, char *text)
{
	char *colon = strstr(text, ": ");

	if (!colon || http->headers == RCXLB_MAX_HEADERS)
		die("--set wants NAME: VALUE");
	*colon = 0;
	snprintf(http->header[http->headers].name, sizeof(http->header[0].name), "%s", text);
	snprintf(http->header[http->headers++].value, sizeof(http->header[0].value), "%s", colon + 2);
}

/* STATUS,...=FILE */
static void add_page(struct program *program, char *text)
{
	struct rcxlb_http *http = &program->http;
	char *file = strchr(text, '=');
	struct error error;

	if (!file || http->error_pages == RCXLB_MAX_ERROR_PAGES)
		die("--error-page wants STATUS,...=FILE");
	*file++ = 0;
	for (char *status = strtok(text, ","); status; status = strtok(NULL, ","))
		if (http_error_status(http, http->error_pages, status, &error))
			die(error.text);
	if (http_page_read(file, &program->pages[http->error_pages++], &error))
		die(error.text);
}

/* What is said of HTTP. False: it is another option. */
static bool parse_http(struct rcxlb_http *http, int option)
{
	switch (option) {
	case 'h':
		http->flags |= RCXLB_HTTP_PARSED;
		return true;
	case 'r':
		http->flags |= RCXLB_HTTP_PARSED | RCXLB_HTTP_REDIRECT;
		return true;
	case 'o':
		http->body_bytes = strtoull(optarg, NULL, 10);
		return true;
	case 'p':
		trust(http, optarg);
		return true;
	case 'e':
		set_header(http, optarg);
		return true;
	default:
		return false;
	}
}

static void parse(struct program *program, int argc, char **argv)
{
	uint32_t *const numbers[] = {
		&program->limits.connections, &program->limits.handshakes,    &program->limits.handshake_ms,
		&program->limits.connect_ms,  &program->limits.relay.idle_ms, &program->limits.relay.half_closed_ms,
		&program->limits.first_ms,    &program->http.head_bytes,      &program->http.fields,
		&program->http.head_ms,	      &program->http.body_ms,	      &program->http.answer_ms,
	};
	struct error error;
	int option;

	program->limits = WORKER_LIMITS_DEFAULT;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (parse_http(&program->http, option))
			continue;
		switch (option) {
		case 'l':
			push(program->listen, &program->listen_count);
			break;
		case 'c':
			push(program->certificates, &program->certificates_count);
			break;
		case 'k':
			push(program->keys, &program->keys_count);
			break;
		case 'b':
			push(program->backends, &program->backends_count);
			break;
		case 't':
			program->tickets = optarg;
			break;
		case 's':
			program->control = optarg;
			break;
		case 'n':
			program->no_kernel = true;
			break;
		case 'S':
			program->proxy.send = 2;
			break;
		case 'A':
			if (prefix_parse(optarg, &program->proxy.accept[program->proxy.accepts++], &error))
				die(error.text);
			break;
		case 'E':
			add_page(program, optarg);
			break;
		case 'f':
			program->client_first = true;
			break;
		case '?':
			exit(2);
		default:
			*numbers[option - 1] = (uint32_t)strtoul(optarg, NULL, 10);
		}
	}
	if (program->certificates_count != program->keys_count)
		die("each --certificate wants a --key");
}

/* --- What the agent will do --- */

static int listen_at(const char *text)
{
	struct rcxlb_endpoint endpoint;
	struct sockaddr_storage address;
	struct error error;
	const int one = 1;
	socklen_t size;
	int fd;

	if (endpoint_parse(text, true, &endpoint, &error))
		die(error.text);
	size = address_of(&endpoint, &address);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096))
		die(strerror(errno));
	return fd;
}

static int read_tickets(const struct program *program, struct ticket_keys *keys, struct error *error)
{
	FILE *file;

	*keys = (struct ticket_keys){ .count = 0 };
	if (!program->tickets)
		return 0;
	file = fopen(program->tickets, "re");
	if (!file)
		return failed(error, -errno, "%s: %s", program->tickets, strerror(errno));
	keys->count = (unsigned int)fread(keys->keys, sizeof(keys->keys[0]), TICKET_KEYS_MAX, file);
	fclose(file);
	return 0;
}

/* 0, -errno, or 1: there are none, the service is plain. */
static int read_identities(const struct program *program, struct identity_pem *pems, struct error *error)
{
	for (unsigned int i = 0; i < program->certificates_count; i++) {
		int err = identity_read(program->certificates[i], program->keys[i], NULL, &pems[i], error);

		if (err) {
			while (i--)
				identity_pem_free(&pems[i]);
			return err;
		}
	}
	return 0;
}

static int pick(void *data, const struct worker_client *client, const struct worker_backend *tried,
		struct worker_backend *ret)
{
	struct program *program = data;

	(void)client;
	if (!program->backends_count || (tried && program->backends_count == 1))
		return -EHOSTUNREACH;
	if (tried && program->next % program->backends_count == tried->id)
		program->next++;
	ret->id = program->next++ % program->backends_count;
	ret->endpoint = program->endpoints[ret->id];
	ret->send_proxy = program->proxy.send;
	program->picked++;
	return 0;
}

static void ended(void *data, const struct worker_client *client, const struct worker_backend *backend,
		  enum worker_outcome outcome)
{
	struct program *program = data;

	(void)client;
	(void)backend;
	program->ended++;
	program->failed += outcome == WORKER_CONNECT_FAILED;
}

static void drained(void *data)
{
	struct program *program = data;

	event_base_loopexit(program->base, NULL);
}

/* Certificates and ticket keys, at the start and at SIGHUP. */
static int use_files(struct program *program, const int *listeners, struct error *error)
{
	struct identity_pem pems[LIST_MAX];
	struct tls_material material = { "test", pems, program->certificates_count };
	struct worker_service service = {
		.id = 1,
		.listeners = listeners,
		.listeners_count = program->listen_count,
		.tls = material.count ? &material : NULL,
		.http = program->http.flags ? &program->http : NULL,
		.pages = program->pages,
		.client_first = program->client_first,
		.proxy = &program->proxy,
	};
	struct worker_config config = {
		.base = program->base,
		.services = &service,
		.services_count = 1,
		.ktls = program->ktls,
		.limits = program->limits,
		.backends = { .data = program, .pick = pick, .ended = ended },
		.drained = drained,
	};
	struct error warning = { "" };
	int err = read_tickets(program, &config.tickets, error);

	if (!err)
		err = read_identities(program, pems, error);
	if (err)
		return err;
	if (!program->worker)
		err = worker_new(&config, &program->worker, &warning, error);
	else {
		err = material.count ? worker_set_tls(program->worker, 1, &material, &warning, error) : 0;
		if (!err)
			err = worker_set_tickets(program->worker, &config.tickets, error);
	}
	if (warning.text[0])
		fprintf(stderr, "worker: warning: %s\n", warning.text);
	for (unsigned int i = 0; i < material.count; i++)
		identity_pem_free(&pems[i]);
	return err;
}

/* --- What the tests ask --- */

static json_t *array_of(const __u64 *values, unsigned int count)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < count; i++)
		json_array_append_new(array, json_integer((json_int_t)values[i]));
	return array;
}

/* Without pages of files, such as code that runs for the first time. */
static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0, of_files = 0;

	if (file) {
		if (fscanf(file, "%*d %ld %ld", &pages, &of_files) != 2)
			pages = of_files = 0;
		fclose(file);
	}
	return (pages - of_files) * (sysconf(_SC_PAGESIZE) / 1024);
}

/* By status, without those that were never given. */
static json_t *own_answers_json(const struct rcxlb_tally *sum)
{
	json_t *json = json_object();
	char status[8];

	for (unsigned int i = 0; i < HTTP_OWN_STATUSES; i++) {
		snprintf(status, sizeof(status), "%u", http_own_statuses[i]);
		if (sum->own_answers[i])
			json_object_set_new(json, status, json_integer((json_int_t)sum->own_answers[i]));
	}
	return json;
}

static json_t *counters_json(const struct program *program)
{
	const struct worker_counters *counters = worker_counters(program->worker, 0);
	const struct rcxlb_tally *sum = &counters->sum;
	json_t *json = json_object();
	struct rusage usage;

	json_object_set_new(json, "open", json_integer(counters->open));
	json_object_set_new(json, "handshaking", json_integer(counters->handshaking));
#define PUT(name) json_object_set_new(json, #name, json_integer((json_int_t)sum->name))
	PUT(accepted);
	PUT(accept_pauses);
	PUT(handshakes_ok);
	PUT(handshakes_resumed);
	PUT(handshakes_failed);
	PUT(handshakes_timed_out);
	PUT(handshakes_evicted);
	PUT(kernel_sends);
	PUT(kernel_receives);
	PUT(connects_failed);
	PUT(connects_retried);
	PUT(silent);
	PUT(unserved);
	PUT(headers_refused);
	PUT(bytes_up);
	PUT(bytes_down);
	PUT(dismissed);
	PUT(requests);
	PUT(request_retries);
	PUT(answers_cut);
#undef PUT
	json_object_set_new(json, "ktls_reasons", array_of(sum->ktls_reasons, KTLS_REASONS));
	json_object_set_new(json, "path_reasons", array_of(counters->path_reasons, PATH_REASONS));
	json_object_set_new(json, "relay_ends", array_of(sum->relay_ends, RELAY_ENDS));
	json_object_set_new(json, "answers", array_of(sum->answers, RCXLB_STATUS_CLASSES));
	json_object_set_new(json, "own_answers", own_answers_json(sum));
	json_object_set_new(json, "picked", json_integer((json_int_t)program->picked));
	json_object_set_new(json, "ended", json_integer((json_int_t)program->ended));
	json_object_set_new(json, "connect_failed", json_integer((json_int_t)program->failed));
	json_object_set_new(json, "reloads", json_integer(program->reloads));
	json_object_set_new(json, "reload_errors", json_integer(program->reload_errors));
	json_object_set_new(json, "ktls", json_boolean(program->ktls.present));
	json_object_set_new(json, "rss_anon_kib", json_integer(resident_kib()));
	getrusage(RUSAGE_SELF, &usage);
	json_object_set_new(json, "cpu_us",
			    json_integer((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
					 usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
	return json;
}

static void on_control(evutil_socket_t fd, short what, void *arg)
{
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	json_t *json;
	char *text;

	(void)what;
	if (peer < 0)
		return;
	json = counters_json(arg);
	text = json_dumps(json, 0); /* json_dumpfd() writes byte by byte */
	if (text && send(peer, text, strlen(text), MSG_NOSIGNAL) < 0)
		fprintf(stderr, "worker: %s\n", strerror(errno));
	free(text);
	json_decref(json);
	close(peer);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct program *program = arg;
	struct error error;

	(void)what;
	if (number == SIGTERM) {
		worker_drain(program->worker);
	} else if (number == SIGINT) {
		event_base_loopbreak(program->base);
	} else if (use_files(program, NULL, &error)) {
		fprintf(stderr, "worker: %s\n", error.text);
		program->reload_errors++;
	} else {
		program->reloads++;
	}
}

static void open_control(struct program *program)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!program->control)
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", program->control);
	unlink(address.sun_path);
	program->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (program->control_fd < 0 || bind(program->control_fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(program->control_fd, 16))
		die(strerror(errno));
	event_assign(&program->events[2], program->base, program->control_fd, EV_READ | EV_PERSIST, on_control,
		     program);
	event_add(&program->events[2], NULL);
}

int main(int argc, char **argv)
{
	struct program program = { .control_fd = -1 };
	int listeners[LIST_MAX];
	struct error error;

	parse(&program, argc, argv);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* rss_anon_kib is what is used, without the rest of a page of 2 MiB */
	for (unsigned int b = 0; b < program.backends_count; b++)
		if (endpoint_parse(program.backends[b], false, &program.endpoints[b], &error))
			die(error.text);
	for (unsigned int l = 0; l < program.listen_count; l++)
		listeners[l] = listen_at(program.listen[l]);
	if (!program.no_kernel)
		ktls_probe(&program.ktls);
	program.base = event_base_new();
	if (!program.base)
		die("no event base");
	if (use_files(&program, listeners, &error))
		die(error.text);
	evsignal_assign(&program.events[0], program.base, SIGHUP, on_signal, &program);
	evsignal_assign(&program.events[1], program.base, SIGTERM, on_signal, &program);
	evsignal_assign(&program.events[3], program.base, SIGINT, on_signal, &program);
	event_add(&program.events[0], NULL);
	event_add(&program.events[1], NULL);
	event_add(&program.events[3], NULL);
	open_control(&program);
	puts("listening");
	fflush(stdout);
	event_base_dispatch(program.base);

	worker_free(program.worker);
	for (int p = 0; p < RCXLB_MAX_ERROR_PAGES; p++)
		http_page_free(&program.pages[p]);
	event_del(&program.events[0]);
	event_del(&program.events[1]);
	event_del(&program.events[3]);
	if (program.control_fd >= 0) {
		event_del(&program.events[2]);
		close(program.control_fd);
	}
	event_base_free(program.base);
	libevent_global_shutdown();
	return program.picked != program.ended;
}
