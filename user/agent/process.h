/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes as the kernel tells of them. */
#ifndef AGENT_PROCESS_H
#define AGENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* When it began, as /proc/PID/stat counts; 0 when there is no such process, it has ended, or may not be looked at. */
uint64_t process_started(uint32_t pid);

/* Is it the process that began then? One that may not be looked at is, as long as there is any with this id. */
bool process_lives(uint32_t pid, uint64_t started);

/*
 * From now on SIGTERM does nothing, but from process 1, which sends it to all that is left when the machine goes down and
 * then waits: that calls `end`, as a signal handler. (So does `systemctl kill`, which means all processes of a unit.) From
 * outside of this PID namespace it does nothing either: nobody knows who that is, and a container's own process 1 ends
 * first.
 */
void process_end_by_first(void (*end)(void));

#endif
