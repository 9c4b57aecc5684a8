// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/path.h"

static struct path_choice proxied(enum path_reason reason)
{
	return (struct path_choice){ PATH_PROXIED, reason };
}

struct path_choice path_choose(const struct path_facts *facts)
{
	if (facts->http)
		return proxied(PATH_REASON_HTTP);
	if (!facts->handoff)
		return proxied(PATH_REASON_OFF);
	if (facts->tls && facts->ktls != KTLS_COMPLETE)
		return proxied(PATH_REASON_KTLS);
	if (!facts->same_host)
		return proxied(PATH_REASON_ELSEWHERE);
	if (!facts->instance_takes)
		return proxied(PATH_REASON_INSTANCE);
	return (struct path_choice){ PATH_HANDED, PATH_REASON_NONE };
}

const char *path_reason_text(const struct path_choice *choice, const struct path_facts *facts)
{
	switch (choice->reason) {
	case PATH_REASON_HTTP:
		return "the service sets HTTP headers";
	case PATH_REASON_OFF:
		return "handing over is switched off";
	case PATH_REASON_KTLS:
		return ktls_reason_text(facts->ktls);
	case PATH_REASON_ELSEWHERE:
		return "the instance runs in another network namespace or on another host";
	case PATH_REASON_INSTANCE:
		return "the instance takes no sockets: it was not started by rcxlb run";
	default:
		return "";
	}
}
