/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a worker has of the dataplane: `peers` and `staff`, to write into and to read, the storage of its own
 * sockets, and memory that it shares with the kernel. Nothing here needs a privilege, a path or a file. Not safe for
 * several threads.
 */
#ifndef DATAPLANE_DESK_H
#define DATAPLANE_DESK_H

#include <stdint.h>

#include "core/error.h"
#include "dataplane/watch.h"
#include "rcxlb/abi.h"

struct desk;

/* The watch may be closed afterwards. *ret is the caller's, for desk_close(). */
int desk_open(struct watch *watch, struct desk **ret, struct error *error);
void desk_close(struct desk *desk);

/* From now on connects from `local` are made for this client; and no more. 0 or -errno. */
int desk_peer(struct desk *desk, const struct rcxlb_endpoint *local, const struct rcxlb_peer *peer);
void desk_unpeer(struct desk *desk, const struct rcxlb_endpoint *local);

/* What steer answered to a connect from `local`. -ENOENT: nothing. */
int desk_told(struct desk *desk, const struct rcxlb_endpoint *local, struct rcxlb_peer *ret);

/* The connection that this socket will have is the backend's: the kernel counts it, however it ends. 0 or -errno. */
int desk_mark(struct desk *desk, int fd, uint32_t backend, uint32_t generation);

/* It could not be connected to, `now` in CLOCK_MONOTONIC nanoseconds: steer passes it over for a while. */
void desk_set_back(struct desk *desk, uint32_t backend, uint32_t generation, uint64_t now);

/* Who is in charge. */
struct rcxlb_crew desk_crew(const struct desk *desk);

/*
 * An answer of that backend to a request that came to that service; `by` -1: it is taken back. Ids below their
 * maximum, `class` from 0 for 1xx to 4.
 */
void desk_count_answer(struct desk *desk, uint32_t service, uint32_t backend, unsigned int class, int by);

/* The entry of a service in `tallies`: others add to it at the same time, so it takes atomic additions. */
struct rcxlb_tally *desk_tally(struct desk *desk, uint32_t service);

/* Writes this worker's entry in `staff`; and removes it, at the end. 0 or -errno. */
int desk_sign(struct desk *desk, uint32_t pid, const struct rcxlb_worker *as);
void desk_leave(struct desk *desk, uint32_t pid);

#endif
