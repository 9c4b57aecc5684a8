/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates are looked at before they are published: who types a command hears what is wrong, and not the log. */
#ifndef CMD_CERTIFICATES_H
#define CMD_CERTIFICATES_H

#include "config/read.h"
#include "core/error.h"
#include "core/model.h"

/*
 * Can a worker use them? What it could use and should not (expired, without a name) is said on standard error.
 * -errno with a sentence about the first that it cannot.
 */
int certificates_check(const struct rcxlb_tls *tls, const char *service, struct error *error);

/* The same for all services of a file: each that cannot be used is noted, with its line. */
void certificates_check_file(const struct config *config, struct mistakes *mistakes);

#endif
