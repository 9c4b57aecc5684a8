/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types that the programs read, with the fields they use: libbpf finds each by name in the running
 * kernel's BTF (CO-RE), so order, size and the fields left out do not matter.
 */
#ifndef RCXLB_KERNEL_BPF_H
#define RCXLB_KERNEL_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define EEXIST 17
#define EINVAL 22
#define EOPNOTSUPP 95
#define SOL_TCP 6
#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008 /* of an enum that older headers do not have it in */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net {
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_rcv_saddr;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_rcv_saddr;
};

struct list_head {
	struct list_head *next, *prev;
};

struct wait_queue_head {
	struct list_head head;
};

typedef struct wait_queue_head wait_queue_head_t;

struct wait_queue_entry {
	void *private;
	void *func;
	struct list_head entry;
};

typedef struct wait_queue_entry wait_queue_entry_t;

struct socket_wq {
	wait_queue_head_t wait;
};

/* An epoll instance; what it watches; and how it waits there. */
struct eventpoll {
	wait_queue_head_t wq;
	struct list_head rdllist;
};

struct epitem {
	struct eventpoll *ep;
};

struct eppoll_entry {
	struct epitem *base;
	wait_queue_entry_t wait;
};

/* A call of poll() or select(). */
struct task_struct;

struct poll_wqueues {
	struct task_struct *polling_task;
	int triggered;
};

struct rq {
	__u64 clock;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	struct cfs_rq *cfs_rq;
};

struct sched_info {
	unsigned long long last_arrival;
};

struct task_io_accounting {
	__u64 syscr;
	__u64 syscw;
};

struct task_struct {
	unsigned int __state;
	unsigned char on_cpu; /* an int before Linux 7; its first byte says the same on little-endian machines */
	int exit_state;
	int pid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	unsigned long jobctl;
	unsigned long nvcsw;
	struct sched_entity se;
	struct sched_info sched_info;
	struct task_io_accounting ioac;
};

struct sock {
	struct sock_common __sk_common;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	struct socket_wq *sk_wq;
};

struct request_sock {
	struct sock *sk;
};

typedef struct {
	int counter;
} atomic_t;

struct request_sock_queue {
	atomic_t qlen; /* handshakes that are not complete */
	struct request_sock *rskq_accept_head;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 tcp_mstamp; /* microseconds */
};

struct tcp_request_sock {
	__u32 snt_isn;
};

struct socket {
	struct sock *sk;
	struct socket_wq wq;
};

struct file {
	void *private_data;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

#pragma clang attribute pop

#endif
