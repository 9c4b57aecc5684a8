// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Which processes hold a backend's listeners, and the epoll instances that wait for them. loops.bpf.c knows a thread
 * from having seen it wait for connections; of one that hung before, or that shares the listener with others in its own
 * way, it knows by whose it is.
 *
 * Nothing here decides over a connection, and nothing here can fail.
 */
#include "owners.bpf.h"
#include "ctx.bpf.h"
#include "maps.bpf.h"

/* Where this function of the kernel is; see loops.bpf.c. */
extern const volatile __u64 ep_poll_callback;

static __always_inline struct rcxlb_thread thread_of(const struct task_struct *task)
{
	return (struct rcxlb_thread){
		.task = (__u64)task,
		.started = BPF_CORE_READ(task, start_boottime),
		.pid = BPF_CORE_READ(task, pid),
	};
}

/*
 * Who calls listen() holds the socket alone, until it shares it: then `holders` finds the others. It does not hold
 * those of other members of a group, who may be many.
 */
__noinline int owners_begin(__u32 backend, __u32 alone)
{
	struct rcxlb_owners *known = bpf_map_lookup_elem(&owners, &backend);

	if (!known)
		return 0;
	known->holders = 0; /* whoever reads this at the same time believes nothing */
	known->thread[0] = thread_of((const struct task_struct *)bpf_get_current_task());
	known->holders = alone ? 1 : RCXLB_OWNERS + 1;
	return 0;
}

/* The epoll instance that an entry of a wait queue belongs to, as a number. Or 0. */
static __always_inline __u64 epoll_of(const struct list_head *at)
{
	const struct wait_queue_entry *waiter;
	const struct eppoll_entry *entry;

	if (!bpf_core_field_exists(struct eppoll_entry, base) || !bpf_core_field_exists(struct epitem, ep))
		return 0;
	waiter = (const void *)at - bpf_core_field_offset(struct wait_queue_entry, entry);
	if ((__u64)BPF_CORE_READ(waiter, func) != ep_poll_callback)
		return 0;
	entry = (const void *)waiter - bpf_core_field_offset(struct eppoll_entry, wait);
	return (__u64)BPF_CORE_READ(entry, base, ep);
}

/* Run before holders: forgets what it found before, and notes which epoll instances are to be found. */
SEC("iter/tcp")
int waiters(struct bpf_iter__tcp *ctx)
{
	struct sock *sk = (struct sock *)ctx->sk_common;
	const struct list_head *head, *at;
	struct rcxlb_thread none = {};
	struct rcxlb_owners *known;
	struct rcxlb_socket *self;
	struct socket_wq *wait;
	__u64 epoll;
	__u32 id;

	if (is_behind_listeners(ctx->sk_common))
		return ITERATOR_END;
	if (!sk || sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		return 0;
	self = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!self)
		return 0;
	id = self->backend;
	known = bpf_map_lookup_elem(&owners, &id);
	if (known)
		known->holders = 0;
	wait = BPF_CORE_READ(sk, sk_wq);
	head = (const void *)wait + bpf_core_field_offset(struct socket_wq, wait.head);
	at = BPF_CORE_READ(head, next);
	for (int i = 0; i < RCXLB_LOOPS && at && at != head; i++, at = BPF_CORE_READ(at, next)) {
		epoll = epoll_of(at);
		if (epoll)
			bpf_map_update_elem(&epolls, &epoll, &none, BPF_ANY);
	}
	return 0;
}

/* One more process holds an epoll instance, unless it is the one that was just found. */
static __always_inline void hold_epoll(struct rcxlb_thread *known, const struct task_struct *task)
{
	struct rcxlb_thread found = thread_of(task);

	found.holders = known->holders + (known->task != found.task);
	*known = found;
}

/* And a listener. */
static __always_inline void hold_listener(struct rcxlb_owners *known, const struct task_struct *task)
{
	__u32 count = known->holders;

	if (count && count <= RCXLB_OWNERS && known->thread[(count - 1) % RCXLB_OWNERS].task == (__u64)task)
		return;
	if (count < RCXLB_OWNERS)
		known->thread[count] = thread_of(task);
	known->holders = count + 1;
}

/* Learns who holds a file, when it is an epoll instance that waits for a backend's listener, or such a listener. */
SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct rcxlb_owners *known;
	struct rcxlb_thread *thread;
	struct rcxlb_socket *self;
	struct socket *socket;
	__u64 epoll;
	__u32 id;

	if (!task || !file)
		return 0;
	leader = BPF_CORE_READ(task, group_leader);
	epoll = (__u64)BPF_CORE_READ(file, private_data);
	thread = bpf_map_lookup_elem(&epolls, &epoll);
	if (thread)
		hold_epoll(thread, leader);
	socket = bpf_sock_from_file(file);
	if (!socket || !socket->sk)
		return 0;
	self = bpf_sk_storage_get(&sockets, socket->sk, NULL, 0);
	if (!self || socket->sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		return 0;
	id = self->backend;
	known = bpf_map_lookup_elem(&owners, &id);
	if (known)
		hold_listener(known, leader);
	return 0;
}
