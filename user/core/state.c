// SPDX-License-Identifier: BSD-2-Clause
#include "core/state.h"

#include "rcxlb/abi.h"

const char *state_name(const struct state_input *input)
{
	if (input->draining)
		return "draining";
	if (!input->listens)
		return "absent";
	return input->down ? "down" : "up";
}

const char *state_path(const struct state_input *input)
{
	if (!input->listens)
		return "none";
	return input->tls || input->http || input->proxy ? "proxied" : "direct";
}

const char *state_loop(const struct state_input *input)
{
	if (!input->listens)
		return "";
	switch (input->loop) {
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

const char *state_reason(const struct state_input *input)
{
	if (input->listens && input->down && input->down_reason)
		return input->down_reason;
	if (input->listens && input->http)
		return "its service parses HTTP";
	if (input->listens && input->tls)
		return "a worker ends TLS and relays";
	if (input->listens)
		return input->proxy ? "a worker speaks the PROXY protocol" : "";
	if (input->refused)
		return "its listening socket cannot be steered to (an MPTCP listener?)";
	if (input->elsewhere)
		return "its address is none of this host's, and only instances here are served";
	return "nobody listens there";
}
