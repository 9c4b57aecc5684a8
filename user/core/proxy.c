// SPDX-License-Identifier: BSD-2-Clause
#include "core/proxy.h"

#include <errno.h>
#include <string.h>

#include "core/prefix.h"

bool proxy_is_spoken(const struct rcxlb_proxy *proxy)
{
	return proxy->send || proxy->accepts;
}

int proxy_accept(struct rcxlb_proxy *proxy, const char *text, struct error *error)
{
	return prefix_list_add(proxy->accept, &proxy->accepts, RCXLB_MAX_PROXIES, "accepts headers from", text, error);
}

const char *proxy_send_name(const struct rcxlb_proxy *proxy)
{
	return proxy->send ? "v2" : "";
}

int proxy_send_parse(struct rcxlb_proxy *proxy, const char *text, struct error *error)
{
	if (strcmp(text, "v2"))
		return failed(error, -EINVAL, "'%s' is no version of the PROXY protocol that can be sent; it is v2",
			      text);
	proxy->send = 2;
	return 0;
}
