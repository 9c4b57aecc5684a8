/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML 1.1, of whatever meaning, as a tree with lines. Bounded in size and depth, whatever the bytes are. Pure. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "config/mistakes.h"

#define TREE_MOST_BYTES	  (1024 * 1024)
#define TREE_MOST_NODES	  200000 /* what an alias stands for is counted each time */
#define TREE_MOST_DEPTH	  16
#define TREE_MOST_ANCHORS 1000

enum tree_kind {
	TREE_TEXT,
	TREE_LIST,
	TREE_MAPPING,
};

struct tree_node {
	enum tree_kind kind;
	uint32_t line;		       /* from 1 */
	uint32_t size;		       /* nodes from here down */
	const char *text;	       /* of a text: UTF-8; a value that is not there is an empty one */
	const struct tree_node *first; /* child; of a mapping: of its values */
	const struct tree_node *next;  /* sibling */
	const struct tree_node *key;   /* of a mapping's value */
};

struct tree {
	const struct tree_node *root;
	struct tree_block *blocks;
};

/* Reads one document. 0, -EBADMSG with what is wrong noted, or -ENOMEM. *ret is the caller's, for tree_free(). */
int tree_parse(const char *bytes, size_t size, struct tree *ret, struct mistakes *mistakes);

/* Also of a tree that could not be read. */
void tree_free(struct tree *tree);

#endif
