// SPDX-License-Identifier: BSD-2-Clause
#include "core/nearest.h"

#include <ctype.h>
#include <string.h>

#define LONGEST 32 /* longer words are not compared */

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein's distance with swaps of neighbours. Both have at most LONGEST characters. */
static unsigned int distance(const char *a, const char *b)
{
	size_t across = strlen(b);
	unsigned int row[3][LONGEST + 1];

	for (size_t k = 0; k <= across; k++)
		row[0][k] = k;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned int *now = row[i % 3], *before = row[(i + 2) % 3];

		now[0] = i;
		for (size_t k = 1; k <= across; k++) {
			int left = tolower((unsigned char)a[i - 1]), right = tolower((unsigned char)b[k - 1]);

			now[k] = least(least(now[k - 1], before[k]) + 1, before[k - 1] + (left != right));
			if (i > 1 && k > 1 && left == tolower((unsigned char)b[k - 2]) &&
			    right == tolower((unsigned char)a[i - 2]))
				now[k] = least(now[k], row[(i + 1) % 3][k - 2] + 1);
		}
	}
	return row[strlen(a) % 3][across];
}

void nearest_offer(struct nearest *nearest, const char *word)
{
	size_t length = strlen(nearest->meant);
	unsigned int found;

	if (length > LONGEST || strlen(word) > LONGEST)
		return;
	found = distance(nearest->meant, word);
	if (found > 1 + length / 4 || (nearest->word && found >= nearest->distance))
		return;
	nearest->word = word;
	nearest->distance = found;
}
