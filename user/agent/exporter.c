// SPDX-License-Identifier: BSD-2-Clause
#include "agent/exporter.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "agent/exposition.h"
#include "agent/listening.h"
#include "core/address.h"
#include "core/endpoint.h"
#include "proxy/http1_answer.h"
#include "proxy/http1_date.h"
#include "proxy/http1_head.h"

#define ROOM	 16 /* connections. Each may be owed all of the metrics: megabytes, with a thousand backends */
#define HEAD_MAX 8192
#define STEP_S	 75 /* for a request to come, and for its answer to be taken */

enum state {
	ASKED,	   /* for a request; none of it may have come */
	ANSWERING, /* what follows waits */
	ENDING,	   /* all was said; what comes is passed over, so that a reset does not overtake the answer */
};

struct connection {
	TAILQ_ENTRY(connection) others;
	struct exporter *exporter;
	struct bufferevent *stream;
	struct event *clock;
	enum state state;
	bool keep;  /* after this answer */
	bool ended; /* the peer has sent its last byte */
	struct http1_head head;
	char text[HEAD_MAX];
};

struct exporter {
	struct listening *listener;
	exporter_write write;
	void *context;
	uint32_t count;
	TAILQ_HEAD(, connection) connections; /* who had an answer last, or came last, is the last one */
};

static const struct http1_limits limits = { .head = HEAD_MAX, .fields = HTTP1_MAX_FIELDS, .target = 1024 };

static void dismiss(struct connection *connection)
{
	TAILQ_REMOVE(&connection->exporter->connections, connection, others);
	connection->exporter->count--;
	if (connection->stream)
		bufferevent_free(connection->stream);
	if (connection->clock)
		event_free(connection->clock);
	free(connection);
}

/* Fails the first time or never. */
static int begin_step(struct connection *connection)
{
	struct timeval limit = { STEP_S, 0 };

	return evtimer_add(connection->clock, &limit);
}

static bool has_method(const struct http1_head *head, const char *method)
{
	return http1_equal(head->method, (struct http1_span){ method, strlen(method) });
}

struct answer {
	const char *status;
	const char *type;
	const char *fields; /* more of them, each with its line's end */
	char *body;	    /* allocated; taken */
	size_t size;
};

static void release(const void *data, size_t size, void *context)
{
	(void)data;
	(void)size;
	free(context);
}

static void send_answer(struct connection *connection, const struct answer *answer)
{
	struct evbuffer *output = bufferevent_get_output(connection->stream);
	const char *stays = connection->head.minor ? "" : "Connection: keep-alive\r\n";
	char now[HTTP1_DATE_ROOM];

	evbuffer_add_printf(output, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
			    answer->status, http1_date(time(NULL), now), answer->type, answer->size, answer->fields,
			    connection->keep ? stays : "Connection: close\r\n");
	if (has_method(&connection->head, "HEAD")) {
		free(answer->body);
	} else if (evbuffer_add_reference(output, answer->body, answer->size, release, answer->body)) {
		free(answer->body);
		connection->keep = false; /* it is cut off, and that can be seen */
	}
}

static void send_text(struct connection *connection, const char *status, const char *fields, const char *text)
{
	struct answer answer = { .status = status, .type = "text/plain", .fields = fields, .body = strdup(text) };

	answer.size = answer.body ? strlen(text) : 0;
	send_answer(connection, &answer);
}

static void send_metrics(struct connection *connection)
{
	const struct exporter *exporter = connection->exporter;
	struct answer answer = { .status = "200 OK", .type = EXPOSITION_CONTENT_TYPE, .fields = "" };
	FILE *stream = open_memstream(&answer.body, &answer.size);
	int err = stream ? exporter->write(stream, exporter->context) : -ENOMEM;

	if (stream && fclose(stream))
		err = -ENOMEM;
	if (!err) {
		send_answer(connection, &answer);
		return;
	}
	free(answer.body);
	send_text(connection, "500 Internal Server Error", "", "the metrics cannot be read\n");
}

/* Whatever form it has; what is behind a `?` does not matter. */
static bool asks_for_metrics(const struct http1_head *head)
{
	const char *question = memchr(head->target.at, '?', head->target.length);
	struct http1_span path = head->target;

	if (question)
		path.length = question - path.at;
	return http1_equal(path, HTTP1_SPAN("/metrics"));
}

/* RFC 9112 9.3. A body is not read, so nothing can follow it. */
static bool may_go_on(const struct http1_head *head)
{
	bool close = false, keep_alive = false, body = false;

	for (uint32_t i = 0; i < head->count; i++) {
		struct http1_span value = http1_field_value(head, &head->fields[i]), option;

		switch (head->fields[i].id) {
		case HTTP1_CONTENT_LENGTH:
			body = body || !http1_equal(value, HTTP1_SPAN("0"));
			break;
		case HTTP1_TRANSFER_ENCODING:
			body = true;
			break;
		case HTTP1_CONNECTION:
			while (http1_list_next(&value, &option)) {
				close = close || http1_equal_nocase(option, HTTP1_SPAN("close"));
				keep_alive = keep_alive || http1_equal_nocase(option, HTTP1_SPAN("keep-alive"));
			}
			break;
		default:
			break;
		}
	}
	return !body && !close && (head->minor || keep_alive);
}

static void answer(struct connection *connection)
{
	const struct http1_head *head = &connection->head;

	connection->state = ANSWERING;
	connection->keep = may_go_on(head);
	if (!has_method(head, "GET") && !has_method(head, "HEAD"))
		send_text(connection, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "there is only GET\n");
	else if (asks_for_metrics(head))
		send_metrics(connection);
	else
		send_text(connection, "404 Not Found", "", "there is only /metrics\n");
}

static void refuse(struct connection *connection, int status)
{
	const struct http1_answer answer = { .status = status };
	char text[HTTP1_ANSWER_ROOM];
	ssize_t size = http1_answer_write(&answer, text, sizeof(text));

	connection->state = ANSWERING;
	connection->keep = false;
	if (size > 0)
		bufferevent_write(connection->stream, text, size);
}

/* One request; those behind it wait until it was answered. */
static void take_request(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	size_t size = evbuffer_get_length(input), used = 0;
	const char *bytes = size ? (const char *)evbuffer_pullup(input, -1) : NULL;
	int status = bytes ? http1_head_take(&connection->head, &limits, bytes, size, &used) : 0;

	evbuffer_drain(input, status ? size : used);
	if (status)
		refuse(connection, status);
	else if (connection->head.complete)
		answer(connection);
	if (connection->state == ANSWERING)
		begin_step(connection);
}

static void on_read(struct bufferevent *stream, void *context)
{
	struct connection *connection = context;
	struct evbuffer *input = bufferevent_get_input(stream);

	if (connection->state == ASKED)
		take_request(connection);
	else if (connection->state == ENDING)
		evbuffer_drain(input, evbuffer_get_length(input));
}

/* The answer is with the kernel, all of it. */
static void on_written(struct bufferevent *stream, void *context)
{
	struct connection *connection = context;
	struct exporter *exporter = connection->exporter;

	if (connection->state != ANSWERING)
		return;
	TAILQ_REMOVE(&exporter->connections, connection, others);
	TAILQ_INSERT_TAIL(&exporter->connections, connection, others);
	http1_head_reset(&connection->head);
	connection->state = connection->keep ? ASKED : ENDING;
	if (!connection->keep)
		shutdown(bufferevent_getfd(stream), SHUT_WR);
	begin_step(connection);
	on_read(stream, connection);
	if (connection->ended && connection->state != ANSWERING)
		dismiss(connection);
}

/* Who has sent his last byte still reads the answers to what came before it. */
static void on_event(struct bufferevent *stream, short what, void *context)
{
	struct connection *connection = context;

	(void)stream;
	if (what & BEV_EVENT_EOF && connection->state == ANSWERING)
		connection->ended = true;
	else
		dismiss(connection);
}

static void on_clock(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	dismiss(context);
}

/* Who has been idle longest; if nobody is, who has been at his answer longest. */
static void make_room(struct exporter *exporter)
{
	struct connection *connection;

	if (exporter->count < ROOM)
		return;
	TAILQ_FOREACH(connection, &exporter->connections, others)
	{
		if (connection->state != ANSWERING)
			break;
	}
	dismiss(connection ? connection : TAILQ_FIRST(&exporter->connections));
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
			  void *context)
{
	struct event_base *base = evconnlistener_get_base(listener);
	struct exporter *exporter = context;
	struct connection *connection;

	(void)address;
	(void)size;
	make_room(exporter);
	connection = calloc(1, sizeof(*connection));
	if (!connection) {
		close(fd);
		return;
	}
	connection->exporter = exporter;
	connection->head.text = connection->text;
	TAILQ_INSERT_TAIL(&exporter->connections, connection, others);
	exporter->count++;
	connection->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	connection->clock = evtimer_new(base, on_clock, connection);
	if (!connection->stream)
		close(fd);
	if (!connection->stream || !connection->clock || begin_step(connection)) {
		dismiss(connection);
		return;
	}
	bufferevent_setcb(connection->stream, on_read, on_written, on_event, connection);
	bufferevent_setwatermark(connection->stream, EV_READ, 0, HEAD_MAX);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

static int listening_socket(const struct rcxlb_endpoint *at, struct error *error)
{
	struct sockaddr_storage address;
	socklen_t size = address_of(at, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, err;
	char text[RCXLB_TEXT_LEN];

	if (fd < 0)
		return failed(error, -errno, "cannot make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, (struct sockaddr *)&address, size) && !listen(fd, SOMAXCONN))
		return fd;
	err = -errno;
	close(fd);
	return failed(error, err, "cannot serve metrics at %s: %s; metrics.listen says another address",
		      endpoint_format(at, text), strerror(-err));
}

int exporter_new(struct event_base *base, const struct rcxlb_endpoint *at, exporter_write write, void *context,
		 struct exporter **ret, struct error *error)
{
	struct exporter *exporter;
	int fd = listening_socket(at, error);

	if (fd < 0)
		return fd;
	exporter = calloc(1, sizeof(*exporter));
	if (exporter)
		exporter->listener = listening_new(base, on_connection, exporter, fd);
	if (!exporter || !exporter->listener) {
		free(exporter);
		close(fd);
		return failed(error, -ENOMEM, "out of memory");
	}
	TAILQ_INIT(&exporter->connections);
	exporter->write = write;
	exporter->context = context;
	*ret = exporter;
	return 0;
}

void exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return;
	while (!TAILQ_EMPTY(&exporter->connections))
		dismiss(TAILQ_FIRST(&exporter->connections));
	listening_free(exporter->listener);
	free(exporter);
}
