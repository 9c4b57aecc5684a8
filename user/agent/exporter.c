// SPDX-License-Identifier: BSD-2-Clause
#include "agent/exporter.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/address.h"
#include "agent/exposition.h"
#include "core/endpoint.h"

#define HEAD_MAX 8192
#define IDLE_S	 75

struct exporter {
	struct evhttp *server;
	exporter_write write;
	void *context;
};

static void on_metrics(struct evhttp_request *request, void *context)
{
	struct exporter *exporter = context;
	size_t size = 0;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);
	int err = stream ? exporter->write(stream, exporter->context) : -ENOMEM;

	if (stream && fclose(stream))
		err = -ENOMEM;
	if (err) {
		evhttp_send_error(request, HTTP_INTERNAL, "the metrics cannot be read");
		free(text);
		return;
	}
	evbuffer_add(evhttp_request_get_output_buffer(request), text, size);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", EXPOSITION_CONTENT_TYPE);
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
	free(text);
}

static void on_other(struct evhttp_request *request, void *context)
{
	(void)context;
	evhttp_send_error(request, HTTP_NOTFOUND, "there is only /metrics");
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
		exporter->server = evhttp_new(base);
	if (!exporter || !exporter->server || evhttp_accept_socket(exporter->server, fd)) {
		exporter_free(exporter);
		close(fd);
		return failed(error, -ENOMEM, "out of memory");
	}
	exporter->write = write;
	exporter->context = context;
	evhttp_set_allowed_methods(exporter->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(exporter->server, HEAD_MAX);
	evhttp_set_max_body_size(exporter->server, 0);
	evhttp_set_timeout(exporter->server, IDLE_S);
	evhttp_set_cb(exporter->server, "/metrics", on_metrics, exporter);
	evhttp_set_gencb(exporter->server, on_other, NULL);
	*ret = exporter;
	return 0;
}

void exporter_free(struct exporter *exporter)
{
	if (exporter && exporter->server)
		evhttp_free(exporter->server);
	free(exporter);
}
