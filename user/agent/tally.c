// SPDX-License-Identifier: BSD-2-Clause
#include "agent/tally.h"

#include "proxy/counters.h"

static size_t fill(struct tally_part *to, const struct tally_part *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = from[i];
	return count;
}

#define FILL(to, parts) fill(to, parts, sizeof(parts) / sizeof((parts)[0]))

size_t tally_handshakes(const struct rcxlb_tally *tally, struct tally_part *to)
{
	const struct tally_part parts[] = {
		{ "full", tally->handshakes_ok - tally->handshakes_resumed, NULL },
		{ "resumed", tally->handshakes_resumed, NULL },
		{ "failed", tally->handshakes_failed, NULL },
		{ "timed_out", tally->handshakes_timed_out, NULL },
		{ "evicted", tally->handshakes_evicted, NULL },
	};

	return FILL(to, parts);
}

size_t tally_kernel(const struct rcxlb_tally *tally, struct tally_part *to)
{
	uint64_t both = tally->ktls_reasons[KTLS_COMPLETE], sends = tally->kernel_sends - both,
		 receives = tally->kernel_receives - both;
	const struct tally_part parts[] = {
		{ "both", both, NULL },
		{ "sends", sends, NULL },
		{ "receives", receives, NULL },
		{ "neither", tally->handshakes_ok - both - sends - receives, NULL },
	};

	return FILL(to, parts);
}

size_t tally_reasons(const struct rcxlb_tally *tally, struct tally_part *to)
{
	size_t count = 0;

	for (int reason = KTLS_COMPLETE + 1; reason < KTLS_REASONS; reason++)
		to[count++] = (struct tally_part){ ktls_reason_name(reason), tally->ktls_reasons[reason],
						   ktls_reason_text(reason) };
	return count;
}

size_t tally_ends(const struct rcxlb_tally *tally, struct tally_part *to)
{
	size_t count = 0;

	for (int end = 0; end < RELAY_ENDS; end++)
		to[count++] = (struct tally_part){ relay_end_name(end), tally->relay_ends[end], NULL };
	return count;
}

size_t tally_unserved(const struct rcxlb_tally *tally, struct tally_part *to)
{
	const struct tally_part parts[] = {
		{ "silent", tally->silent, NULL },
		{ "no_instance", tally->unserved, NULL },
		{ "bad_header", tally->headers_refused, NULL },
	};

	return FILL(to, parts);
}

size_t tally_connects(const struct rcxlb_tally *tally, struct tally_part *to)
{
	const struct tally_part parts[] = {
		{ "retried", tally->connects_retried, NULL },
		{ "given_up", tally->connects_failed - tally->connects_retried, NULL },
	};

	return FILL(to, parts);
}

size_t tally_bytes(const struct rcxlb_tally *tally, struct tally_part *to)
{
	const struct tally_part parts[] = {
		{ "to_instances", tally->bytes_up, NULL },
		{ "to_clients", tally->bytes_down, NULL },
	};

	return FILL(to, parts);
}

size_t tally_answers(const struct rcxlb_tally *tally, struct tally_part *to)
{
	const struct tally_part parts[RCXLB_STATUS_CLASSES] = {
		{ "1xx", tally->answers[0], NULL }, { "2xx", tally->answers[1], NULL },
		{ "3xx", tally->answers[2], NULL }, { "4xx", tally->answers[3], NULL },
		{ "5xx", tally->answers[4], NULL },
	};

	return FILL(to, parts);
}

size_t tally_own(const struct rcxlb_tally *tally, struct tally_part *to)
{
	for (size_t i = 0; i < HTTP_OWN_STATUSES; i++)
		to[i] = (struct tally_part){ http_own_names[i], tally->own_answers[i], NULL };
	return HTTP_OWN_STATUSES;
}
