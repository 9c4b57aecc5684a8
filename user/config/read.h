/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration file, out of its bytes. Pure: no file is opened here. */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include <stddef.h>

#include "config/mistakes.h"
#include "core/model.h"
#include "core/xdp.h"

/* Where the file names a certificate and its key. */
struct config_lines {
	uint32_t certificate, key;
};

struct config {
	struct model model;  /* ids in the order of the file; a hash key of zeros: the file has none */
	struct config_lines tls[RCXLB_MAX_SERVICES][RCXLB_MAX_CERTIFICATES];
	uint32_t error_page[RCXLB_MAX_SERVICES][RCXLB_MAX_ERROR_PAGES]; /* the lines of their files */
	uint32_t acme[RCXLB_MAX_SERVICES]; /* the lines of folders */
	uint32_t access_log[RCXLB_MAX_SERVICES];
	bool has_interfaces; /* else the file says nothing of them */
	struct xdp_wishes interfaces;
	enum xdp_choice xdp; /* of interfaces that the file does not name */
};

/*
 * 0; or -EBADMSG, all that is wrong is in `mistakes` and *ret is not to be used; or -ENOMEM. Takes at most
 * TREE_MOST_BYTES.
 */
int config_read(const char *bytes, size_t size, struct config *ret, struct mistakes *mistakes);

#endif
