// SPDX-License-Identifier: BSD-2-Clause
#include "core/xdp.h"

#include <errno.h>
#include <string.h>

#include "core/utf8.h"

int xdp_check_name(const char *name, struct error *error)
{
	size_t length = strlen(name);
	bool good = length && length < XDP_NAME_LEN && strcmp(name, ".") && strcmp(name, "..");

	for (const char *c = name; *c && good; c++)
		good = *c != ' ' && *c != '/' && *c != ':';
	if (good && utf8_is_printable(name))
		return 0;
	return failed(error, -EINVAL,
		      "'%s' cannot be the name of an interface: it has 1 to %d bytes of UTF-8, no blank, '/' or ':'",
		      name, XDP_NAME_LEN - 1);
}

const struct xdp_wish *xdp_find(const struct xdp_wishes *wishes, const char *name)
{
	for (uint32_t i = 0; i < wishes->count; i++)
		if (!strcmp(wishes->entry[i].name, name))
			return &wishes->entry[i];
	return NULL;
}

int xdp_wish(struct xdp_wishes *wishes, const char *name, enum xdp_choice xdp, struct error *error)
{
	struct xdp_wish *to;
	int err = xdp_check_name(name, error);

	if (err)
		return err;
	if (xdp_find(wishes, name))
		return failed(error, -EEXIST, "the interface '%s' is given twice", name);
	if (wishes->count == RCXLB_MAX_INTERFACES)
		return failed(error, -E2BIG, "the interface '%s' is one too many: there can be %d", name,
			      RCXLB_MAX_INTERFACES);
	to = &wishes->entry[wishes->count++];
	*to = (struct xdp_wish){ .xdp = xdp };
	strcpy(to->name, name);
	return 0;
}

static const char *const choice_names[] = {
	[XDP_AUTO] = "auto",
	[XDP_NATIVE] = "native",
	[XDP_SKB] = "skb",
	[XDP_OFF] = "off",
};

#define CHOICES (sizeof(choice_names) / sizeof(choice_names[0]))

const char *xdp_choice_name(enum xdp_choice xdp)
{
	return xdp < CHOICES ? choice_names[xdp] : "?";
}

int xdp_choice_parse(const char *text, enum xdp_choice *ret, struct error *error)
{
	for (unsigned int i = 0; i < CHOICES; i++)
		if (!strcmp(text, choice_names[i])) {
			*ret = (enum xdp_choice)i;
			return 0;
		}
	return failed(error, -EINVAL, "the XDP mode '%s' is not known; it is auto, native, skb or off", text);
}

const char *xdp_mode_name(uint32_t mode)
{
	return mode == RCXLB_XDP_NATIVE ? "native" : mode == RCXLB_XDP_SKB ? "skb" : "off";
}

bool xdp_is_met(enum xdp_choice wished, uint32_t mode)
{
	switch (wished) {
	case XDP_AUTO:
		return mode != RCXLB_XDP_NONE;
	case XDP_NATIVE:
		return mode == RCXLB_XDP_NATIVE;
	case XDP_SKB:
		return mode == RCXLB_XDP_SKB;
	default:
		return mode == RCXLB_XDP_NONE;
	}
}

enum xdp_choice xdp_choice_of(uint32_t mode)
{
	return mode == RCXLB_XDP_NATIVE ? XDP_AUTO : mode == RCXLB_XDP_SKB ? XDP_SKB : XDP_OFF;
}
