/* SPDX-License-Identifier: BSD-2-Clause */
/* What the running kernel can do of what workers ask of it, in the same words as dataplane_probe(). */
#ifndef AGENT_TLS_FEATURES_H
#define AGENT_TLS_FEATURES_H

#include "dataplane/dataplane.h"

#define TLS_FEATURES 4

/* Tries each, by connections of the loopback interface; the kernel may load its module tls. */
void tls_features(struct feature ret[TLS_FEATURES]);

#endif
