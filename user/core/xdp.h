/* SPDX-License-Identifier: BSD-2-Clause */
/* The interfaces that the guard is wished on, and how it is to be attached to each. Pure. */
#ifndef CORE_XDP_H
#define CORE_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "rcxlb/abi.h"

enum xdp_choice {
	XDP_AUTO, /* native if the driver can, else skb */
	XDP_NATIVE,
	XDP_SKB,
	XDP_OFF,
};

/* As struct rcxlb_interface has it, with the final 0. */
#define XDP_NAME_LEN 16

struct xdp_wish {
	char name[XDP_NAME_LEN];
	enum xdp_choice xdp;
};

struct xdp_wishes {
	uint32_t count;
	struct xdp_wish entry[RCXLB_MAX_INTERFACES];
};

/*
 * Adds an interface: -EINVAL when it can be no interface's name, -EEXIST when it is there already, -E2BIG when there
 * are RCXLB_MAX_INTERFACES.
 */
int xdp_wish(struct xdp_wishes *wishes, const char *name, enum xdp_choice xdp, struct error *error);

/* Is this the name of an interface that may exist? -EINVAL with a sentence. */
int xdp_check_name(const char *name, struct error *error);

/* The wish for an interface, or NULL. */
const struct xdp_wish *xdp_find(const struct xdp_wishes *wishes, const char *name);

/* Names of the choices: auto, native, skb, off. -EINVAL with a sentence. */
const char *xdp_choice_name(enum xdp_choice xdp);
int xdp_choice_parse(const char *text, enum xdp_choice *ret, struct error *error);

/* The name of what was attached, an enum rcxlb_xdp_mode: native, skb, off. */
const char *xdp_mode_name(uint32_t mode);

/* Is what is attached what was wished? Auto is content with native and with skb. */
bool xdp_is_met(enum xdp_choice wished, uint32_t mode);

/* The choice that is met by this mode, and attaches it where it can be had: auto for native. */
enum xdp_choice xdp_choice_of(uint32_t mode);

#endif
