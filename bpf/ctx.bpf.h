/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Addresses and ports out of each context type: the only place with byte-order arithmetic. Contexts differ:
 *
 *	bpf_sk_lookup   remote_port big endian, local_port host order
 *	bpf_sock_ops    local_port host order
 *	bpf_sock_addr   user_port big endian
 *	sock_common     skc_num host order
 *
 * Addresses are in network order everywhere.
 */
#ifndef RCXLB_CTX_BPF_H
#define RCXLB_CTX_BPF_H

#include "kernel.bpf.h"
#include "rcxlb/abi.h"

static __always_inline void endpoint_set(struct rcxlb_endpoint *to, __u32 family, __be32 four, __be32 six0, __be32 six1,
					 __be32 six2, __be32 six3, __u16 port)
{
	__u32 *words = (__u32 *)to->address;

	words[0] = family == AF_INET ? 0 : six0;
	words[1] = family == AF_INET ? 0 : six1;
	words[2] = family == AF_INET ? bpf_htonl(0xffff) : six2;
	words[3] = family == AF_INET ? four : six3;
	to->port = port;
	to->unused = 0;
}

/* Makes an address the any-address of its family; the port stays. */
static __always_inline void endpoint_set_any(struct rcxlb_endpoint *to, __u32 family)
{
	__u32 *words = (__u32 *)to->address;

	words[0] = 0;
	words[1] = 0;
	words[2] = family == AF_INET ? bpf_htonl(0xffff) : 0;
	words[3] = 0;
}

static __always_inline bool endpoint_is_four(const struct rcxlb_endpoint *endpoint)
{
	const __u32 *words = (const __u32 *)endpoint->address;

	return !(words[0] | words[1]) && words[2] == bpf_htonl(0xffff);
}

/* Of either family; an any-address of IPv6 takes both. */
static __always_inline bool endpoint_is_any(const struct rcxlb_endpoint *endpoint)
{
	const __u32 *words = (const __u32 *)endpoint->address;

	return !(words[0] | words[1] | words[3]) && (!words[2] || words[2] == bpf_htonl(0xffff));
}

/*
 * Reads a context field here and now: the compiler would join the loads of two branches into one at a computed offset,
 * which the verifier refuses.
 */
#define FIELD(ctx, field)                                                                                              \
	({                                                                                                             \
		__u32 value_ = (ctx)->field;                                                                           \
		barrier_var(value_);                                                                                   \
		value_;                                                                                                \
	})

#define FIELDS(ctx, side)                                                                                              \
	FIELD(ctx, side##_ip4), FIELD(ctx, side##_ip6[0]), FIELD(ctx, side##_ip6[1]), FIELD(ctx, side##_ip6[2]),       \
		FIELD(ctx, side##_ip6[3])

static __always_inline void lookup_client(const struct bpf_sk_lookup *ctx, struct rcxlb_endpoint *to)
{
	endpoint_set(to, ctx->family, FIELDS(ctx, remote), bpf_ntohs(ctx->remote_port));
}

static __always_inline void lookup_local(const struct bpf_sk_lookup *ctx, struct rcxlb_endpoint *to)
{
	endpoint_set(to, ctx->family, FIELDS(ctx, local), ctx->local_port);
}

static __always_inline void sock_ops_local(const struct bpf_sock_ops *ctx, struct rcxlb_endpoint *to)
{
	endpoint_set(to, ctx->family, FIELDS(ctx, local), ctx->local_port);
}

static __always_inline bool endpoint_is_loopback6(const struct rcxlb_endpoint *endpoint)
{
	const __u32 *words = (const __u32 *)endpoint->address;

	return !(words[0] | words[1] | words[2]) && words[3] == bpf_htonl(1);
}

/* An address that a worker may dial an instance from, or by which it does. */
static __always_inline bool endpoint_may_be_leg(const struct rcxlb_endpoint *endpoint)
{
	const __u32 *words = (const __u32 *)endpoint->address;

	if (!endpoint_is_four(endpoint))
		return endpoint_is_loopback6(endpoint);
	return (words[3] & bpf_htonl(RCXLB_LEG_NET_MASK)) == bpf_htonl(RCXLB_LEG_NET);
}

/* Without the port: who dials from an address that is none of a worker's is found out by that. */
static __always_inline bool lookup_may_be_to_leg(const struct bpf_sk_lookup *ctx)
{
	return ctx->family == AF_INET ? FIELD(ctx, local_ip4) == bpf_htonl(RCXLB_LEG_ADDRESS)
				      : FIELD(ctx, local_port) == RCXLB_LEG_PORT;
}

/* Who is at the other end, in a getpeername program. */
static __always_inline void sock_addr_peer(const struct bpf_sock_addr *ctx, __u32 family, struct rcxlb_endpoint *to)
{
	endpoint_set(to, family, family == AF_INET ? FIELD(ctx, user_ip4) : 0,
		     family == AF_INET ? 0 : FIELD(ctx, user_ip6[0]), family == AF_INET ? 0 : FIELD(ctx, user_ip6[1]),
		     family == AF_INET ? 0 : FIELD(ctx, user_ip6[2]), family == AF_INET ? 0 : FIELD(ctx, user_ip6[3]),
		     bpf_ntohs(ctx->user_port));
}

/* The same, written. An IPv4 socket has no words for an address of IPv6: then it stays as it is. */
static __always_inline void sock_addr_set_peer4(struct bpf_sock_addr *ctx, const struct rcxlb_endpoint *to)
{
	if (!endpoint_is_four(to))
		return;
	ctx->user_ip4 = ((const __u32 *)to->address)[3];
	ctx->user_port = bpf_htons(to->port);
}

static __always_inline void sock_addr_set_peer6(struct bpf_sock_addr *ctx, const struct rcxlb_endpoint *to)
{
	const __u32 *words = (const __u32 *)to->address;

	ctx->user_ip6[0] = words[0];
	ctx->user_ip6[1] = words[1];
	ctx->user_ip6[2] = words[2];
	ctx->user_ip6[3] = words[3];
	ctx->user_port = bpf_htons(to->port);
}

static __always_inline void sock_addr_set_port(struct bpf_sock_addr *ctx, __u16 port)
{
	ctx->user_port = bpf_htons(port);
}

static __always_inline void sock_common_local(const struct sock_common *sk, struct rcxlb_endpoint *to)
{
	const __be32 *six = sk->skc_v6_rcv_saddr.in6_u.u6_addr32;

	endpoint_set(to, sk->skc_family, sk->skc_rcv_saddr, six[0], six[1], six[2], six[3], sk->skc_num);
}

/* May a socket take connections of this address family? The rule of bpf_sk_assign(). */
static __always_inline bool socket_takes(__u32 socket_family, bool ipv6_only, __u32 client_family)
{
	return socket_family == client_family || (socket_family == AF_INET6 && !ipv6_only);
}

/* What an iterator returns to end: the reader gets what was written so far, and then EAGAIN. */
#define ITERATOR_END 1

/*
 * iter/tcp walks the listening sockets first and then all the others, of which there may be a million: at the first of
 * those an iterator that looks for listeners ends. A listener that is being closed may be among the first.
 */
static __always_inline bool is_behind_listeners(const struct sock_common *sk)
{
	return sk && sk->skc_state != BPF_TCP_LISTEN && sk->skc_state != BPF_TCP_CLOSE;
}

#endif
