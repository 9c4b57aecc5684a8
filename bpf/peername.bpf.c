// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * cgroup getpeername: an instance that asks who is at the other end of a connection from a worker is told the client, and
 * the worker which instance that is. accept() asks the same way. Nothing here can fail: what is not known stays as it is.
 */
#include "maps.bpf.h"
#include "ctx.bpf.h"

/* For whom a worker dials from `at`. Every network namespace has such addresses. */
static __always_inline struct rcxlb_peer *peer_at(struct bpf_sock_addr *ctx, const struct rcxlb_endpoint *at)
{
	return bpf_get_netns_cookie(ctx) == netns_cookie ? bpf_map_lookup_elem(&peers, at) : NULL;
}

static __always_inline bool is_leg(__be32 address)
{
	return (address & bpf_htonl(RCXLB_LEG_NET_MASK)) == bpf_htonl(RCXLB_LEG_NET);
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
		ctx->user_port = bpf_htons(RCXLB_LEG_PORT + 1 + peer->backend);
}

/* A client over IPv6 has no name in the words of an IPv4 socket, which then shows the worker. */
SEC("cgroup/getpeername4")
int peername4(struct bpf_sock_addr *ctx)
{
	struct rcxlb_endpoint at;
	struct rcxlb_peer *peer;
	const __u32 *words;

	if (!is_leg(ctx->user_ip4))
		return 1;
	if (ctx->user_ip4 == bpf_htonl(RCXLB_LEG_ADDRESS) && ctx->user_port == bpf_htons(RCXLB_LEG_PORT)) {
		tell_backend(ctx, AF_INET);
		return 1;
	}
	sock_addr_peer(ctx, AF_INET, &at);
	peer = peer_at(ctx, &at);
	if (!peer)
		return 1;
	words = (const __u32 *)peer->client.address;
	if (words[0] | words[1] | (words[2] ^ bpf_htonl(0xffff)))
		return 1;
	ctx->user_ip4 = words[3];
	ctx->user_port = bpf_htons(peer->client.port);
	return 1;
}

SEC("cgroup/getpeername6")
int peername6(struct bpf_sock_addr *ctx)
{
	struct rcxlb_endpoint at;
	struct rcxlb_peer *peer;
	const __u32 *words;

	sock_addr_peer(ctx, AF_INET6, &at);
	words = (const __u32 *)at.address;
	if (words[0] | words[1])
		return 1;
	if (words[2] == bpf_htonl(0xffff) ? !is_leg(words[3]) : words[2] || words[3] != bpf_htonl(1))
		return 1;
	if (ctx->user_port == bpf_htons(RCXLB_LEG_PORT)) {
		tell_backend(ctx, AF_INET6);
		return 1;
	}
	peer = peer_at(ctx, &at);
	if (!peer)
		return 1;
	words = (const __u32 *)peer->client.address;
	ctx->user_ip6[0] = words[0];
	ctx->user_ip6[1] = words[1];
	ctx->user_ip6[2] = words[2];
	ctx->user_ip6[3] = words[3];
	ctx->user_port = bpf_htons(peer->client.port);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
