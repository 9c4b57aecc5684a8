/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of a health check's settings, one for options and configuration files alike. Pure. */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "rcxlb/abi.h"

#define CHECK_LEAST_INTERVAL_MS 100
#define CHECK_MOST_INTERVAL_MS	3600000
#define CHECK_LEAST_TIMEOUT_MS	10
#define CHECK_MOST_IN_A_ROW	1000 /* rise and fall */

/* Sets a check to what it is when the operator says nothing. */
void check_defaults(struct rcxlb_check *check);

/*
 * Each reads one setting: 0, or -EINVAL with a sentence, and the check is as before.
 * type: auto, off, tcp or http. path: what is asked for (origin-form, RFC 9112 3.2.1). host: of the Host field, a name or
 * address with or without a port (RFC 9110 7.2). body: UTF-8 on one line. status: 200 or 200-399.
 */
int check_set_type(struct rcxlb_check *check, const char *text, struct error *error);
int check_set_path(struct rcxlb_check *check, const char *text, struct error *error);
int check_set_host(struct rcxlb_check *check, const char *text, struct error *error);
int check_set_body(struct rcxlb_check *check, const char *text, struct error *error);
int check_set_status(struct rcxlb_check *check, const char *text, struct error *error);

/* What does not go together: -EINVAL with a sentence, and *ret_key is the setting at fault, as in a file. */
int check_validate(const struct rcxlb_check *check, const char **ret_key, struct error *error);

bool check_equal(const struct rcxlb_check *a, const struct rcxlb_check *b);

/* auto, off, tcp, http. */
const char *check_type_name(uint32_t type);

#define CHECK_STATUS_LEN 16

/* As check_set_status() reads it. Returns `to`. */
const char *check_status_text(const struct rcxlb_check *check, char to[CHECK_STATUS_LEN]);

#endif
