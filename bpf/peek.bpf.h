/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reading kernel objects whose addresses are plain numbers. For one program file: the linker knows it as a kernel
 * function once. */
#ifndef RCXLB_PEEK_BPF_H
#define RCXLB_PEEK_BPF_H

#include "kernel.bpf.h"

/*
 * Fault-safe reads of kernel objects at an address that is a plain number: by loads where the kernel has
 * bpf_rdonly_cast() (6.2), which take a nanosecond, else by bpf_probe_read_kernel(). User space sets the flag.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak; /* as newer headers of libbpf have it */

/* Does the kernel have bpf_rdonly_cast()? */
const volatile bool has_rdonly_cast = false;

#define PEEK(address, type, field)                                                                                     \
	({                                                                                                             \
		const void *from_ = (const void *)(address);                                                           \
		typeof(((struct type *)0)->field) peeked_ = 0;                                                         \
		if (has_rdonly_cast)                                                                                   \
			peeked_ = ((const struct type *)bpf_rdonly_cast(from_, bpf_core_type_id_kernel(struct type)))  \
				      ->field;                                                                         \
		else                                                                                                   \
			bpf_core_read(&peeked_, sizeof(peeked_), &((const struct type *)from_)->field);                \
		peeked_;                                                                                               \
	})

/* What the verifier knows as a pointer, as a plain number: its difference to one that is 0. */
#define NUMBER(pointer)                                                                                                \
	({                                                                                                             \
		__u64 number_ = (__u64)(pointer), zero_ = 0;                                                           \
		if (has_rdonly_cast) {                                                                                 \
			zero_ = (__u64)bpf_rdonly_cast(NULL, bpf_core_type_id_kernel(struct list_head));               \
			__asm__ volatile("%0 -= %1" : "+r"(number_) : "r"(zero_));                                     \
		}                                                                                                      \
		number_;                                                                                               \
	})

#define PEEK_POINTER(address, type, field) NUMBER(PEEK(address, type, field))

/*
 * The same of a field that points to void or to a function, which to the verifier is a number on some kernels only: read
 * as if the first pointer of a list_head stood there.
 */
#define PEEK_UNTYPED(address, type, field)                                                                             \
	PEEK_POINTER((__u64)(address) + bpf_core_field_offset(struct type, field), list_head, next)

#endif
