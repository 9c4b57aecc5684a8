/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent does with the dataplane: it keeps everything open, holds no lock, and writes the maps that are its
 * own: `health`, `probes` and `audience`. After watch_open() nothing here needs a privilege, a path or a file (from
 * Linux 5.19 on; before, CAP_BPF). The functions of dataplane.h that read take its handle too. Not safe for several
 * threads.
 */
#ifndef DATAPLANE_WATCH_H
#define DATAPLANE_WATCH_H

#include "dataplane/dataplane.h"

struct watch;

typedef void (*watch_event)(const struct rcxlb_event *event, void *context);

/*
 * -ENOENT when rcxlb is not loaded; -EAGAIN while somebody is changing it: nobody is waited for. `on_event` is called by
 * watch_consume(); NULL: the ring of events is somebody else's. *ret is the caller's, for watch_close().
 */
int watch_open(watch_event on_event, void *context, struct watch **ret, struct error *error);
void watch_close(struct watch *watch);

/* For dataplane_read() and dataplane_facts(). The watch keeps it. */
struct dataplane *watch_dataplane(struct watch *watch);

/*
 * Reads what is published, when that is another thing than at *revision, which is then raised; 0 is the one to begin
 * with. 1: it was read; 0: there is nothing new. -EAGAIN, without a sentence, while somebody is changing it: nobody is
 * waited for; -ENOENT when rcxlb was unloaded. *ret is not to be used but after 1.
 */
int watch_follow(struct watch *watch, uint64_t *revision, struct model *ret, struct error *error);

/* A descriptor that is readable when there are events, to be taken by watch_consume(). The watch keeps it. */
int watch_descriptor(struct watch *watch);

/* Hands events that are there to `on_event`: all, or the first thousand. The descriptor stays readable then. */
void watch_consume(struct watch *watch);

/* The entry of a backend in the map `health`, shared with the kernel: writing it is the change. */
struct rcxlb_health *watch_health(struct watch *watch, uint32_t backend);

/* From now on connects from `local` reach this backend, whatever listens on its port; and no more. */
int watch_probe(struct watch *watch, const struct rcxlb_endpoint *local, uint32_t backend);
void watch_unprobe(struct watch *watch, const struct rcxlb_endpoint *local);

/* All of them: who has such an address by now is no check. */
void watch_unprobe_all(struct watch *watch);

/* Connections of a proxied service that worker number `worker` shall have go to this listening socket: IPv4 or IPv6. */
int watch_worker(struct watch *watch, uint32_t service, uint32_t worker, bool ipv6, int listener);

/*
 * Who takes connections of proxied services: the crew that was set last is in charge. It takes over from the one with
 * the number `from`. -ESTALE when another one is in charge; -ESHUTDOWN when rcxlb was unloaded: then nobody is any more.
 */
int watch_set_crew(struct watch *watch, uint32_t from, uint32_t workers, uint32_t number);
struct rcxlb_crew watch_crew(struct watch *watch);

/* Connections are told until then, CLOCK_MONOTONIC nanoseconds; 0: no more. */
void watch_audience(struct watch *watch, uint64_t until);

/* A backend's entry as it is now, whatever was published when. 0 or -errno. */
int watch_backend(struct watch *watch, uint32_t backend, struct rcxlb_backend *ret);

/* Has it a listener? */
bool watch_listens(struct watch *watch, uint32_t backend);

/* What the kernel counts of one backend; zeros when it is not known any more. */
struct rcxlb_load watch_load(struct watch *watch, uint32_t backend);

/* Events that had no room in the ring, of all services so far. */
uint64_t watch_untold(struct watch *watch);

/* Registers listeners that found no room before, and forgets nothing. */
int watch_collect(struct watch *watch, struct error *error);

#endif
