/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CMD_DRAIN_H
#define CMD_DRAIN_H

#include "cmd/command.h"

/*
 * Waits until the backends that the words name have no connection any more, for so many milliseconds at most, -1 for as
 * long as it takes. Looks again and again, and holds no lock in between. -ETIMEDOUT with a sentence that says who has
 * how many; another error when one of them is drained no more.
 */
int drain_wait(const struct arguments *arguments, long milliseconds, struct error *error);

#endif
