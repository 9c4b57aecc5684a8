// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * cgroup getpeername: an instance that asks who is at the other end of a connection from a worker is told the client,
 * and the worker which instance that is. accept() asks the same way. Nothing here can fail: what is not known stays as
 * it is.
 */
#include "maps.bpf.h"
#include "ctx.bpf.h"

/* For whom a worker dials from `at`. Every network namespace has such addresses. */
static __always_inline struct rcxlb_peer *peer_at(struct bpf_sock_addr *ctx, const struct rcxlb_endpoint *at)
{
	return bpf_get_netns_cookie(ctx) == netns_cookie ? bpf_map_lookup_elem(&peers, at) : NULL;
}

/* It is a worker's own end: the port says who was chosen. */
static __always_inline void tell_backend(struct bpf_sock_addr *ctx, __u32 family)
{
	struct bpf_sock *sk = ctx->sk;
	struct rcxlb_endpoint own;
	struct rcxlb_peer *peer;

	if (!sk)
		return;
	endpoint_set(&own, family, sk->src_ip4, sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3],
		     sk->src_port);
	peer = peer_at(ctx, &own);
	if (peer && peer->backend < RCXLB_MAX_BACKENDS)
		sock_addr_set_port(ctx, RCXLB_LEG_PORT + 1 + peer->backend);
}

/* Who is shown instead of the peer of a connection that a worker may have made; NULL: that one. */
static __always_inline struct rcxlb_peer *who_is_at(struct bpf_sock_addr *ctx, __u32 family)
{
	struct rcxlb_endpoint at;

	sock_addr_peer(ctx, family, &at);
	if (!endpoint_may_be_leg(&at))
		return NULL;
	if (at.port == RCXLB_LEG_PORT) {
		tell_backend(ctx, family);
		return NULL;
	}
	return peer_at(ctx, &at);
}

/* A client over IPv6 has no name in the words of an IPv4 socket, which then shows the worker. */
SEC("cgroup/getpeername4")
int peername4(struct bpf_sock_addr *ctx)
{
	struct rcxlb_peer *peer = who_is_at(ctx, AF_INET);

	if (peer)
		sock_addr_set_peer4(ctx, &peer->client);
	return 1;
}

SEC("cgroup/getpeername6")
int peername6(struct bpf_sock_addr *ctx)
{
	struct rcxlb_peer *peer = who_is_at(ctx, AF_INET6);

	if (peer)
		sock_addr_set_peer6(ctx, &peer->client);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
