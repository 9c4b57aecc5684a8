// SPDX-License-Identifier: BSD-2-Clause
#include "core/proxy.h"

#include <errno.h>
#include <string.h>

#include "core/prefix.h"

bool proxy_is_spoken(const struct rcxlb_proxy *proxy)
{
	return proxy->send || proxy->accepts;
}

bool proxy_accepts(const struct rcxlb_proxy *proxy, const struct rcxlb_prefix *prefix)
{
	for (uint32_t i = 0; i < proxy->accepts; i++)
		if (prefix_equal(&proxy->accept[i], prefix))
			return true;
	return false;
}

int proxy_accept(struct rcxlb_proxy *proxy, const char *text, struct error *error)
{
	struct rcxlb_prefix prefix;
	int err = prefix_parse(text, &prefix, error);

	if (err)
		return err;
	if (proxy->accepts == RCXLB_MAX_PROXIES)
		return failed(error, -E2BIG, "'%s' is one too many: a service accepts headers from at most %d", text,
			      RCXLB_MAX_PROXIES);
	if (proxy_accepts(proxy, &prefix))
		return failed(error, -EEXIST, "the proxy '%s' is given twice", text);
	proxy->accept[proxy->accepts++] = prefix;
	return 0;
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
