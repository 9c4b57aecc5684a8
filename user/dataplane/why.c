// SPDX-License-Identifier: BSD-2-Clause
/* Asking the loaded steer program. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "dataplane/dataplane.h"
#include "dataplane/handle.h"

#define TRIES 8

static int program_of_link(struct dataplane *dataplane, struct error *error)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[PATH_MAX];
	int link, err, program;

	link = bpf_obj_get(place_pin(&dataplane->place, LINK_STEER, path));
	if (link < 0)
		return failed_in_kernel(error, link, "cannot open %s: %s", path, strerror(-link));
	err = bpf_obj_get_info_by_fd(link, &info, &size);
	close(link);
	program = err ? err : bpf_prog_get_fd_by_id(info.prog_id);
	return program < 0
		   ? failed_in_kernel(error, program, "cannot open the program of %s: %s", path, strerror(-program))
		   : program;
}

/* The packet that a client would send, without an interface that it came in by: a question. */
static struct bpf_sk_lookup question(const struct rcxlb_endpoint *client, const struct rcxlb_endpoint *local)
{
	struct bpf_sk_lookup ctx = { .protocol = IPPROTO_TCP };

	ctx.remote_port = htons(client->port);
	ctx.local_port = local->port;
	if (endpoint_is_ipv4(client)) {
		ctx.family = AF_INET;
		memcpy(&ctx.remote_ip4, client->address + 12, 4);
		memcpy(&ctx.local_ip4, local->address + 12, 4);
	} else {
		ctx.family = AF_INET6;
		memcpy(ctx.remote_ip6, client->address, 16);
		memcpy(ctx.local_ip6, local->address, 16);
	}
	return ctx;
}

int dataplane_why(struct dataplane *dataplane, const struct rcxlb_endpoint *client, const struct rcxlb_endpoint *local,
		  struct rcxlb_why *ret, struct error *error)
{
	struct bpf_sk_lookup ctx = question(client, local);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	int program = program_of_link(dataplane, error), err = 0;
	__u32 zero = 0;
	char text[RCXLB_TEXT_LEN];

	if (program < 0)
		return program;
	/* Somebody else's question may write its answer in between: then ask again. */
	for (int i = 0; i < TRIES && !err; i++) {
		err = bpf_prog_test_run_opts(program, &opts);
		if (!err)
			err = bpf_map_lookup_elem(dataplane->map[MAP_why], &zero, ret);
		if (!err && endpoint_equal(&ret->client, client) && endpoint_equal(&ret->service, local)) {
			close(program);
			return 0;
		}
	}
	close(program);
	if (err)
		return failed_in_kernel(error, err, "the steer program cannot be asked: %s", strerror(-err));
	return failed(error, -ENOENT, "the steer program knows no service at %s", endpoint_format(local, text));
}
