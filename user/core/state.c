// SPDX-License-Identifier: BSD-2-Clause
#include "core/state.h"

#include <stddef.h>

#include "rcxlb/abi.h"

/* Is it reached, by steer or by a worker? */
static bool is_present(const struct state_input *input)
{
	return input->listens || ((input->elsewhere || input->unassignable) && input->workers);
}

const char *state_name(const struct state_input *input)
{
	if (input->draining)
		return "draining";
	if (!is_present(input))
		return "absent";
	return input->down ? "down" : "up";
}

bool state_is_up(const struct state_input *input)
{
	return is_present(input) && !input->down;
}

bool state_is_refused(const struct state_input *input)
{
	return !is_present(input) && (input->refused || input->unassignable);
}

/* Why its connections go through a worker; NULL: they do not. Each thing that has to be so for the direct path. */
static const char *why_proxied(const struct state_input *input)
{
	if (input->http)
		return "its service parses HTTP";
	if (input->tls)
		return "a worker ends TLS and relays";
	if (input->proxy)
		return "a worker speaks the PROXY protocol";
	if (input->listens)
		return NULL;
	if (input->elsewhere)
		return "its address is none of this host's";
	return input->unassignable ? "the kernel assigns no connection to an MPTCP listener" : NULL;
}

const char *state_path(const struct state_input *input)
{
	if (!is_present(input))
		return "none";
	return why_proxied(input) ? "proxied" : "direct";
}

const char *state_loop(const struct state_input *input)
{
	if (!is_present(input))
		return "";
	switch (input->listens ? input->loop : RCXLB_LOOP_UNKNOWN) {
	case RCXLB_LOOP_ASLEEP:
		return "asleep";
	case RCXLB_LOOP_ALIVE:
	case RCXLB_LOOP_AWAKE:
		return "awake";
	case RCXLB_LOOP_UNKNOWN:
		return "unknown";
	default:
		return "blocked";
	}
}

static const char *why_absent(const struct state_input *input)
{
	if (input->elsewhere)
		return "its address is none of this host's, and no worker is there to connect to it";
	if (input->unassignable)
		return "an MPTCP listener, and no worker is there to connect to it";
	if (input->refused)
		return "its listening socket found no room";
	return "nobody listens there";
}

const char *state_reason(const struct state_input *input)
{
	const char *proxied = why_proxied(input);

	if (!is_present(input))
		return why_absent(input);
	if (input->down && input->down_reason)
		return input->down_reason;
	return proxied ? proxied : "";
}
