/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers that were started together, with the same certificates and settings, and take over from those before. */
#ifndef AGENT_CREW_H
#define AGENT_CREW_H

#include "agent/work.h"
#include "core/error.h"
#include "core/model.h"
#include "dataplane/watch.h"

struct crew;

/*
 * Starts workers for the proxied services of a model and puts them in charge; none when there is no such service. The
 * watch and the tickets must outlive the crew. -errno with a sentence, and who was in charge stays so, when one cannot
 * be started or a certificate cannot be used.
 */
int crew_start(struct watch *watch, const struct model *model, const struct work_tickets *tickets, struct crew **ret,
	       struct error *error);

/* Starts those again that have died. NULL is fine. */
void crew_mend(struct crew *crew);

/* Forgets it; its processes end by themselves when another crew is in charge. NULL is fine. */
void crew_free(struct crew *crew);

#endif
