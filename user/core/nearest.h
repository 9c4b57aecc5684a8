/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_NEAREST_H
#define CORE_NEAREST_H

/* The word that somebody may have meant, out of several that are offered one after the other. */
struct nearest {
	const char *meant; /* what was written */
	const char *word;  /* the nearest so far, or NULL: none is near */
	unsigned int distance;
};

/* Takes `word` when it is nearer than those before. Letters changed, added, left out or swapped count one each. */
void nearest_offer(struct nearest *nearest, const char *word);

#endif
