// SPDX-License-Identifier: BSD-2-Clause
#include "agent/check.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "core/endpoint.h"
#include "core/utf8.h"
#include "proxy/clock.h"
#include "proxy/proxy_header.h"

#define HEAD_MAX  65536
#define BODY_SAID 60 /* bytes of the wished text that a reason shows */

struct check {
	struct check_request request;
	struct check_hooks hooks;
	struct bufferevent *stream;
	struct event *clock;
	struct rcxlb_endpoint local;
	struct check_result result;
	uint64_t began;
	uint32_t status; /* 0: no head yet */
	bool accepted;
	int failure; /* errno of a connect that failed at once */
};

void check_cancel(struct check *check)
{
	if (!check)
		return;
	if (check->stream)
		bufferevent_free(check->stream);
	if (check->clock)
		event_free(check->clock);
	if (check->local.port)
		check->hooks.ended(&check->local, check->hooks.context);
	free(check);
}

static void conclude(struct check *check, enum check_outcome outcome)
{
	struct check_result result = check->result;
	struct check_hooks hooks = check->hooks;

	result.outcome = outcome;
	result.status = check->status;
	result.took_ns = clock_ns(CLOCK_MONOTONIC) - check->began;
	check_cancel(check);
	hooks.done(&result, hooks.context);
}

/* It becomes JSON, which has no half characters. */
__attribute__((format(printf, 2, 3))) static void give_reason(struct check *check, const char *format, ...)
{
	char *to = check->result.reason;
	va_list list;

	va_start(list, format);
	vsnprintf(to, RCXLB_REASON_LEN, format, list);
	va_end(list);
	to[utf8_fit(to, RCXLB_REASON_LEN - 1)] = 0;
}

static void conclude_strange(struct check *check, const char *what)
{
	give_reason(check, "%s", what);
	conclude(check, CHECK_STRANGE);
}

/* The status of "HTTP/1.1 200 ...", or 0. RFC 9112 section 4. */
static uint32_t status_of(const char *line)
{
	uint32_t status = 0;

	if (strncmp(line, "HTTP/1.", 7) || !strchr("01", line[7]) || line[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + line[i] - '0';
	}
	return line[12] == ' ' || !line[12] ? status : 0;
}

static bool has_body(struct evbuffer *input, const char *body)
{
	return evbuffer_search(input, body, strlen(body), NULL).pos >= 0;
}

/* The head has been taken. At its end, or as soon as the wished text has come. */
static void judge_body(struct check *check, bool at_end)
{
	struct evbuffer *input = bufferevent_get_input(check->stream);
	const char *body = check->request.body;

	if (!body[0] || has_body(input, body)) {
		conclude(check, CHECK_GOOD);
		return;
	}
	if (!at_end && evbuffer_get_length(input) < CHECK_BODY_MAX)
		return;
	give_reason(check, "%s answered %u without '%.*s' in the body", check->request.path, check->status,
		    (int)utf8_fit(body, BODY_SAID), body);
	conclude(check, CHECK_BAD);
}

/* False: a wrong one, and the check is over. */
static bool judge_status(struct check *check)
{
	if (check->status >= check->request.status_from && check->status <= check->request.status_to)
		return true;
	give_reason(check, "%s answered %u", check->request.path, check->status);
	conclude(check, CHECK_BAD);
	return false;
}

/* Its status, and away with it. */
static bool take_head(struct check *check, size_t size)
{
	struct evbuffer *input = bufferevent_get_input(check->stream);
	char line[16] = "";

	evbuffer_copyout(input, line, size < sizeof(line) ? size : sizeof(line) - 1);
	line[strcspn(line, "\r")] = 0;
	check->status = status_of(line);
	evbuffer_drain(input, size);
	return check->status != 0;
}

/* The head up to its empty line; interim answers (RFC 9110 section 15.2) are passed over. */
static void on_read(struct bufferevent *stream, void *context)
{
	struct check *check = context;
	struct evbuffer *input = bufferevent_get_input(stream);
	struct evbuffer_ptr end;

	while (!check->status) {
		end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
		if (end.pos < 0 && evbuffer_get_length(input) < HEAD_MAX)
			return;
		if (end.pos < 0 || !take_head(check, end.pos + 4)) {
			conclude_strange(check, "its answer is not HTTP");
			return;
		}
		if (check->status < 200)
			check->status = 0;
		else if (!judge_status(check))
			return;
	}
	judge_body(check, false);
}

/*
 * Where the body is looked at, as HTTP/1.0: to such a client nobody sends chunks (RFC 9112 section 7.1), whose borders
 * may stand in the midst of what is looked for.
 */
static void send_request(struct check *check)
{
	uint8_t header[PROXY_HEADER_WRITTEN_MAX];
	char text[RCXLB_TEXT_LEN];

	if (check->request.send_proxy)
		evbuffer_add(bufferevent_get_output(check->stream), header, proxy_header_write_local(header));
	evbuffer_add_printf(
	    bufferevent_get_output(check->stream),
	    "GET %s HTTP/1.%d\r\nHost: %s\r\nUser-Agent: rcxlb\r\nAccept: */*\r\nConnection: close\r\n\r\n",
	    check->request.path, check->request.body[0] ? 0 : 1,
	    check->request.host[0] ? check->request.host : endpoint_format(&check->request.backend, text));
	bufferevent_enable(check->stream, EV_READ);
}

/* Where connecting is all. At once: what the stream has still to write would end with it. */
static void send_header_alone(const struct check *check)
{
	uint8_t header[PROXY_HEADER_WRITTEN_MAX];

	if (check->request.send_proxy)
		send(bufferevent_getfd(check->stream), header, proxy_header_write_local(header),
		     MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void conclude_failure(struct check *check, int err)
{
	if (err == ECONNREFUSED) {
		give_reason(check, "nobody listens");
		conclude(check, CHECK_REFUSED);
		return;
	}
	give_reason(check, "%s", err == ECONNRESET || err == EPIPE ? "it reset the connection" : strerror(err));
	conclude(check, (err == ECONNRESET || err == EPIPE) && check->accepted ? CHECK_STRANGE : CHECK_BAD);
}

static void on_end(struct check *check, short what)
{
	int err = EVUTIL_SOCKET_ERROR();

	if (!(what & BEV_EVENT_EOF))
		conclude_failure(check, err);
	else if (check->status)
		judge_body(check, true);
	else
		conclude_strange(check, "it closed without an answer");
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	struct check *check = context;

	(void)stream;
	if (!(what & BEV_EVENT_CONNECTED)) {
		on_end(check, what);
		return;
	}
	check->accepted = true;
	if (check->request.path) {
		send_request(check);
		return;
	}
	send_header_alone(check);
	conclude(check, CHECK_GOOD);
}

static void on_clock(evutil_socket_t fd, short what, void *context)
{
	struct check *check = context;

	(void)fd;
	(void)what;
	if (check->failure) {
		conclude_failure(check, check->failure);
		return;
	}
	give_reason(check, "%s within %u ms", check->accepted ? "no answer" : "it did not accept",
		    check->request.timeout_ms);
	conclude(check, check->accepted ? CHECK_SILENT : CHECK_BAD);
}

/* To the backend's own address where that is one of this host, so that it is known before dialling. */
static void bind_early(struct check *check, int fd)
{
	struct rcxlb_endpoint wish = check->request.backend;
	struct sockaddr_storage at;
	socklen_t size;
	int on = 1;

	wish.port = 0;
	size = address_of(&wish, &at);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* former checks are in TIME_WAIT */
	if (bind(fd, (struct sockaddr *)&at, size))
		return;
	size = sizeof(at);
	if (getsockname(fd, (struct sockaddr *)&at, &size) || !address_endpoint(&at, &check->local))
		return;
	check->hooks.dials(&check->local, check->hooks.context);
}

/* Those say something about this host and nothing about the backend. */
static bool is_our_lack(int err)
{
	return err == EADDRNOTAVAIL || err == EAGAIN || err == ENOBUFS || err == ENOMEM;
}

static bool watch_socket(struct check *check, struct event_base *base, int fd)
{
	check->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!check->stream) {
		close(fd);
		return false;
	}
	bufferevent_setcb(check->stream, on_read, NULL, on_event, check);
	return !bufferevent_socket_connect(check->stream, NULL, 0); /* it is under way */
}

static bool dial(struct check *check, struct event_base *base)
{
	struct timeval limit = timeval_of_ms(check->request.timeout_ms);
	struct sockaddr_storage at;
	socklen_t size = address_of(&check->request.backend, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	if (check->hooks.dials)
		bind_early(check, fd);
	if (connect(fd, (struct sockaddr *)&at, size) && errno != EINPROGRESS) {
		check->failure = errno;
		limit = (struct timeval){};
		close(fd);
	} else if (!watch_socket(check, base, fd)) {
		return false;
	}
	if (is_our_lack(check->failure))
		return false;
	check->clock = evtimer_new(base, on_clock, check);
	return check->clock && !evtimer_add(check->clock, &limit);
}

struct check *check_start(struct event_base *base, const struct check_request *request, const struct check_hooks *hooks)
{
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return NULL;
	check->request = *request;
	check->hooks = *hooks;
	check->began = clock_ns(CLOCK_MONOTONIC);
	if (!dial(check, base)) {
		check_cancel(check);
		return NULL;
	}
	return check;
}
