// SPDX-License-Identifier: BSD-2-Clause
#include "agent/tls_features.h"

#include <errno.h>

#include "proxy/ktls.h"

void tls_features(struct feature ret[TLS_FEATURES])
{
	static const struct feature kernel = { .name = "kTLS",
					       .purpose = "TLS services: records made by the kernel (module tls)",
					       .loss = "TLS in the kernel: workers encrypt and decrypt themselves" };
	static const struct feature ciphers[TRAFFIC_CIPHERS] = {
		[TRAFFIC_AES_128_GCM] = { .name = "kTLS AES-128-GCM",
					  .purpose = "the same, TLS 1.2 and 1.3, both ways",
					  .loss = "kernel TLS of connections with this cipher" },
		[TRAFFIC_AES_256_GCM] = { .name = "kTLS AES-256-GCM",
					  .purpose = "the same, TLS 1.2 and 1.3, both ways",
					  .loss = "kernel TLS of connections with this cipher" },
		[TRAFFIC_CHACHA20_POLY1305] = { .name = "kTLS ChaCha20-Poly1305",
						.purpose = "the same, TLS 1.2 and 1.3, both ways",
						.loss = "kernel TLS of connections with this cipher" },
	};
	struct ktls_support support;

	_Static_assert(TLS_FEATURES == 1 + TRAFFIC_CIPHERS, "a feature for the kernel's TLS and one for each cipher");
	ktls_probe(&support);
	ret[0] = kernel;
	ret[0].err = support.present ? 0 : -EOPNOTSUPP;
	for (int cipher = 0; cipher < TRAFFIC_CIPHERS; cipher++) {
		ret[1 + cipher] = ciphers[cipher];
		ret[1 + cipher].err = support.ciphers[cipher] ? 0 : -EOPNOTSUPP;
	}
}
