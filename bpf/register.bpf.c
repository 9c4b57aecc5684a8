// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Listening sockets come and go, and their connections are counted.
 *
 * A socket that calls listen() on a backend's address is put into `listeners` (sock_ops); those that listened before
 * are found by walking the kernel's socket table (collect). The kernel itself takes a closed socket out. What a
 * listener knows of itself in `sockets` is inherited by every connection that it accepts: this is how a connection
 * knows its backend, with no table of flows.
 *
 * Nothing here decides over a connection: a failure leaves a listener unregistered or a connection uncounted.
 */
#include "maps.bpf.h"
#include "ctx.bpf.h"
#include "loops.bpf.h"
#include "owners.bpf.h"
#include "relayed.bpf.h"

static __always_inline __u32 *backend_at(const struct rcxlb_endpoint *at)
{
	return bpf_map_lookup_elem(&addresses, at);
}

/*
 * The id of the backend that connects to `local` would reach on a socket bound there. The command line keeps an entry
 * for the any-address of every backend's port beside that of its own address.
 */
static __always_inline __u32 *backend_of(struct rcxlb_endpoint *local, __u32 family, bool ipv6_only)
{
	__u32 *id = backend_at(local);
	const __u32 *words = (const __u32 *)local->address;
	bool any = !(words[0] | words[1] | words[2] | words[3]);

	if (id || family == AF_INET || ipv6_only || !any)
		return id;
	endpoint_set_any(local, AF_INET); /* a dual-stack socket takes IPv4 as well */
	return backend_at(local);
}

/* Other members may come at the same time. */
static __always_inline void note_row(struct rcxlb_load *entry, __u32 row)
{
	__u32 rows;

	for (int attempt = 0; attempt < RCXLB_ROWS; attempt++) {
		rows = entry->rows;
		if (rows > row || __sync_val_compare_and_swap(&entry->rows, rows, row + 1) == rows)
			return;
	}
}

static __always_inline bool registered(const struct rcxlb_socket *self)
{
	__u32 id = self->backend;
	const struct rcxlb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && (backend->flags & RCXLB_BACKEND_USED) && backend->generation == self->generation;
}

/*
 * What a listener of a backend shall know of itself, stored before the socket can be steered to, so that no connection
 * goes uncounted. Returns the backend's load entry.
 */
#define PREPARE(sk, id, self)                                                                                          \
	({                                                                                                             \
		struct rcxlb_backend *backend_ = bpf_map_lookup_elem(&backends, &(id));                                \
		struct rcxlb_load *entry_ = NULL;                                                                      \
		if (backend_) {                                                                                        \
			(self)->backend = id;                                                                          \
			(self)->generation = backend_->generation;                                                     \
			if (bpf_sk_storage_get(&sockets, sk, self, BPF_SK_STORAGE_GET_F_CREATE))                       \
				entry_ = load_of(id, backend_->generation);                                            \
		}                                                                                                      \
		entry_;                                                                                                \
	})

/* Sockets of a kind that no map takes: those of MPTCP. */
static __always_inline bool is_unassignable(long err)
{
	return err == -EINVAL || err == -EOPNOTSUPP;
}

/* Registered in `self->row`; without a row, when no connection can be assigned to it; or refused with `err`. */
#define CONCLUDE(sk, entry, self, err)                                                                                 \
	({                                                                                                             \
		bool apart_ = is_unassignable(err);                                                                    \
		struct rcxlb_socket *stored_ = (err) && !apart_ ? NULL : bpf_sk_storage_get(&sockets, sk, NULL, 0);    \
		if (stored_ && apart_) {                                                                               \
			(self)->row = RCXLB_NO_ROW;                                                                    \
			*stored_ = *(self);                                                                            \
			(entry)->refused = 0;                                                                          \
			__sync_fetch_and_add(&(entry)->unassignable, 1);                                               \
		} else if (stored_) {                                                                                  \
			*stored_ = *(self);                                                                            \
			(entry)->refused = 0;                                                                          \
			note_row(entry, (self)->row);                                                                  \
		} else {                                                                                               \
			(entry)->refused = -(err);                                                                     \
			bpf_sk_storage_delete(&sockets, sk);                                                           \
		}                                                                                                      \
	})

/* Without room in the ring the agent sees it at its next look. */
static __always_inline void tell(__u32 kind, const struct rcxlb_socket *self, const struct rcxlb_endpoint *local)
{
	struct rcxlb_event event = {
		.time = bpf_ktime_get_ns(),
		.kind = kind,
		.backend = self->backend,
		.generation = self->generation,
		.local = *local,
	};

	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
}

/* A search for a free row of `listeners`. */
struct seat {
	struct bpf_sock_ops *ctx;
	__u32 id;
	__u32 row; /* out: the last that was tried */
	long err;  /* out: of that one */
};

/* bpf_loop(), in which the verifier sees one row and not each of them: the next row; 1 ends the search. */
static long take_seat(__u32 row, struct seat *seat)
{
	__u32 key = row * RCXLB_MAX_BACKENDS + seat->id;

	seat->row = row;
	seat->err = bpf_sock_map_update(seat->ctx, &listeners, &key, BPF_NOEXIST);
	return seat->err != -EEXIST;
}

/* A socket that was shut down or disconnected, and listens anew, is still where it was put before. */
static __always_inline void leave_seat(struct bpf_sock *sk)
{
	struct rcxlb_socket *former = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	__u32 key;

	if (!former)
		return;
	key = former->row * RCXLB_MAX_BACKENDS + former->backend;
	if (former->row != RCXLB_NO_ROW)
		bpf_map_delete_elem(&listeners, &key);
	bpf_sk_storage_delete(&sockets, sk);
}

/*
 * listen() was called. The socket may be found already by who dials the instance's own address, and such a client of
 * its first moment is not counted; steer's clients come later, as it is put into `listeners` here.
 */
static __always_inline void on_listen(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct rcxlb_socket self = {};
	struct rcxlb_endpoint local;
	struct seat seat = { .ctx = ctx };
	struct rcxlb_load *entry;
	__u32 *found, id;
	long err;

	if (!tcp || bpf_get_netns_cookie(ctx) != netns_cookie)
		return;
	leave_seat(sk);
	sock_ops_local(ctx, &local);
	found = backend_of(&local, ctx->family,
			   BPF_CORE_READ_BITFIELD_PROBED(&tcp->inet_conn.icsk_inet.sk.__sk_common, skc_ipv6only));
	if (!found)
		return;
	id = *found;
	entry = PREPARE(sk, id, &self);
	if (!entry)
		return;
	seat.id = id;
	bpf_loop(RCXLB_ROWS, take_seat, &seat, 0);
	self.row = seat.row;
	err = seat.err;
	CONCLUDE(sk, entry, &self, err);
	owners_begin(id, !self.row && entry->rows <= 1);
	if (err && !is_unassignable(err))
		return;
	if (!self.row || self.row == RCXLB_NO_ROW)
		entry->since = bpf_ktime_get_ns();
	/* To hear of its end; the connections that it accepts inherit the wish. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	tell(RCXLB_EVENT_LISTENING, &self, &local);
}

static __always_inline void on_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct rcxlb_socket *self = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	struct rcxlb_load *entry;
	__u32 id;

	if (!self)
		return;
	id = self->backend;
	entry = bpf_map_lookup_elem(&load, &id);
	if (!entry || entry->generation != self->generation)
		return;
	/* First the wish to hear of its end: counted without it would stay counted for ever. */
	if (!(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG) &&
	    bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG))
		return;
	self->counted = 1;
	__sync_fetch_and_add(&entry->active, 1);
}

/* A listener that no connection could be assigned to has gone. */
static __always_inline void forget_unassignable(const struct rcxlb_socket *self)
{
	__u32 id = self->backend;
	struct rcxlb_load *entry = bpf_map_lookup_elem(&load, &id);

	if (self->row == RCXLB_NO_ROW && entry && entry->generation == self->generation && entry->unassignable)
		__sync_fetch_and_add(&entry->unassignable, -1);
}

static __always_inline void on_close(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct rcxlb_socket *self = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	struct rcxlb_endpoint local;
	struct rcxlb_load *entry;
	__u32 id;

	if (!self)
		return;
	if (!self->counted) {
		if (ctx->args[0] == BPF_TCP_LISTEN) {
			forget_unassignable(self);
			sock_ops_local(ctx, &local);
			tell(RCXLB_EVENT_GONE, self, &local);
		}
		return;
	}
	self->counted = 0;
	id = self->backend;
	entry = bpf_map_lookup_elem(&load, &id);
	if (entry && entry->generation == self->generation)
		__sync_fetch_and_add(&entry->active, -1);
}

/* Runs a dozen times for each TCP connection of the host: what is not ours leaves after one comparison. */
SEC("sockops")
int registrar(struct bpf_sock_ops *ctx)
{
	__u32 op = ctx->op;
	struct bpf_sock *sk;

	if (op != BPF_SOCK_OPS_TCP_LISTEN_CB && op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB &&
	    op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && (op != BPF_SOCK_OPS_STATE_CB || ctx->args[1] != BPF_TCP_CLOSE))
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	if (op == BPF_SOCK_OPS_TCP_LISTEN_CB)
		on_listen(ctx, sk);
	else if (op != BPF_SOCK_OPS_STATE_CB) /* one that an instance got, or that a worker made to one elsewhere */
		on_established(ctx, sk);
	else
		on_close(ctx, sk);
	return 1;
}

static __always_inline bool is_our_listener(const struct sock_common *sk)
{
	return sk && sk->skc_state == BPF_TCP_LISTEN && sk->skc_net.net->net_cookie == netns_cookie;
}

/* Does it listen on all addresses of this host, and is its backend's not among them any more? */
static __always_inline bool is_anothers(const struct rcxlb_socket *self, const struct rcxlb_endpoint *local)
{
	__u32 id = self->backend;
	const struct rcxlb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return endpoint_is_any(local) && backend && backend->flags & RCXLB_BACKEND_ELSEWHERE;
}

/* Takes a listener out whose backend was deleted, or is elsewhere. */
static __always_inline void withdraw(struct sock_common *sk, const struct rcxlb_socket *self)
{
	__u32 key = self->row * RCXLB_MAX_BACKENDS + self->backend;

	forget_unassignable(self);
	if (self->row != RCXLB_NO_ROW)
		bpf_map_delete_elem(&listeners, &key);
	bpf_sk_storage_delete(&sockets, sk);
}

static __always_inline void enlist(struct sock_common *sk, __u32 id)
{
	struct rcxlb_socket self = {};
	struct rcxlb_load *entry = PREPARE(sk, id, &self);
	int wishes = 0;
	int err = -EEXIST; /* 32 bits: before Linux 6.4 the helper leaves the upper half of a negative number 0 */
	__u32 key;

	if (!entry)
		return;
	for (__u32 row = 0; row < RCXLB_ROWS && err == -EEXIST; row++) {
		key = row * RCXLB_MAX_BACKENDS + id;
		err = bpf_map_update_elem(&listeners, &key, sk, BPF_NOEXIST);
		self.row = row;
	}
	CONCLUDE(sk, entry, &self, err);
	if (err && !is_unassignable(err))
		return;
	/* To hear of its end, beside what others wish to hear; before Linux 6.12 there is no way to ask for that here.
	 */
	bpf_getsockopt(sk, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &wishes, sizeof(wishes));
	wishes |= BPF_SOCK_OPS_STATE_CB_FLAG;
	bpf_setsockopt(sk, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &wishes, sizeof(wishes));
}

/* Run after every change of the backends: makes `listeners` agree with them. */
SEC("iter/tcp")
int collect(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct rcxlb_socket *self;
	struct rcxlb_endpoint local;
	__u32 *id;

	if (is_behind_listeners(sk))
		return ITERATOR_END;
	if (!is_our_listener(sk))
		return 0;
	self = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	sock_common_local(sk, &local);
	if (self && registered(self) && !is_anothers(self, &local))
		return 0;
	if (self)
		withdraw(sk, self);
	id = backend_of(&local, sk->skc_family, BPF_CORE_READ_BITFIELD_PROBED(sk, skc_ipv6only));
	if (id)
		enlist(sk, *id);
	return 0;
}

/* Tells user space of each registered listener. It looks at event loops as steer does, and remembers as that does. */
SEC("iter/tcp")
int survey(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct rcxlb_socket *self;
	struct rcxlb_listener record = {};
	struct rcxlb_backend *backend;
	bool ipv6_only;
	__u64 wait;
	__u32 id;

	if (is_behind_listeners(sk))
		return ITERATOR_END;
	if (!is_our_listener(sk))
		return 0;
	self = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!self)
		return 0;
	id = self->backend;
	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend)
		return 0;
	ipv6_only = BPF_CORE_READ_BITFIELD_PROBED(sk, skc_ipv6only);
	record.backend = self->backend;
	record.generation = self->generation;
	record.accept_queue = BPF_CORE_READ((struct sock *)sk, sk_ack_backlog);
	record.family = sk->skc_family;
	record.unassignable = self->row == RCXLB_NO_ROW;
	record.ipv4 = socket_takes(record.family, ipv6_only, AF_INET);
	record.ipv6 = socket_takes(record.family, ipv6_only, AF_INET6);
	wait = (__u64)BPF_CORE_READ((struct sock *)sk, sk_wq);
	record.loop = LOOPS_STATE(loops_look(id, wait, bpf_ktime_get_ns(), backend->blocked_ms, record.accept_queue));
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
