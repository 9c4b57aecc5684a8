/* SPDX-License-Identifier: BSD-2-Clause */
/* What systemd wants to hear of a service of Type=notify: sd_notify(3)'s protocol. */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include <stdint.h>

/* A socket to the service manager, or -1 when none asked. To be opened before the sandbox is entered. */
int notify_open(void);

/* Sends a state such as "READY=1", and waits for nobody: a manager that is behind misses it. `to` may be -1. */
void notify_send(int to, const char *state);

/* How often the manager wants WATCHDOG=1, in microseconds; 0: never. */
uint64_t notify_watchdog_us(void);

#endif
