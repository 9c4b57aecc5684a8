/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers that were started together, with the same certificates and settings, and take over from those before. */
#ifndef AGENT_CREW_H
#define AGENT_CREW_H

#include <stdbool.h>

#include "agent/recorder.h"
#include "agent/webroot.h"
#include "agent/work.h"
#include "core/error.h"
#include "core/model.h"
#include "dataplane/watch.h"

struct crew;

/* Why another crew is wanted; where there are several reasons, the last of them. */
enum crew_reason {
	CREW_LACKS, /* the former one lacks something: this one must have all of it */
	CREW_FILES, /* some were written: when they say the same, the former one goes on */
	CREW_MODEL, /* what is wished is another thing */
};

/* What outlives every crew. */
struct crew_means {
	struct watch *watch;
	const struct work_tickets *tickets;
	const struct recorders *recorders;
	struct http_challenges *challenges;
	int life; /* readable when whoever starts workers is to end */
	int lock; /* says that there is somebody who does. Workers must keep none of the two */
};

/*
 * Starts workers for the proxied services of a model and puts them in charge; none when there is no such service. The
 * means must outlive the crew. A service that `former` serves and whose files cannot be used now goes on with what that
 * has. One that nobody serves now, because nobody is in charge or it is not one of `former`'s, is left out when its
 * certificates cannot be used and there are others; and it is served without error pages that cannot be read. Else -errno
 * with a sentence, and who was in charge stays so, when files cannot be used, or a worker cannot be started. `former` NULL:
 * it is not known. *ret is NULL when it can go on, and lacks nothing. -ECANCELED when the means' life has ended meanwhile.
 */
int crew_start(const struct crew_means *means, const struct model *model, const struct crew *former,
	       enum crew_reason reason, struct crew **ret, struct error *error);

/* What is wrong with the first service that was left out, or lacks a file; empty: none. */
const char *crew_lacks(const struct crew *crew);

/* Takes note of who has ended. Returns whether anybody has, also of former crews. NULL is fine. */
bool crew_reap(struct crew *crew);

/* Starts those again that have, with what the others of the crew have, whatever the files are now. NULL is fine. */
void crew_mend(struct crew *crew);

/* In a process that was forked to be something else: its keys are overwritten there. NULL is fine. */
void crew_conceal(const struct crew *crew);

/* Forgets it; its processes end by themselves when another crew is in charge. NULL is fine. */
void crew_free(struct crew *crew);

#endif
