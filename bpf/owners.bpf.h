/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The processes that hold a backend's listeners; owners.bpf.c says what for. */
#ifndef RCXLB_OWNERS_BPF_H
#define RCXLB_OWNERS_BPF_H

#include "kernel.bpf.h"

/* The thread that is running calls listen() for this backend. */
int owners_begin(__u32 backend, __u32 alone);

#endif
