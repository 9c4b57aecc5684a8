/* SPDX-License-Identifier: BSD-2-Clause */
/* A model as a configuration file. */
#ifndef CONFIG_EMIT_H
#define CONFIG_EMIT_H

#include <jansson.h>
#include <stdio.h>

#include "core/model.h"

/*
 * The tree of a file that config_read() makes the same state of; the caller's, NULL when out of memory. It holds the hash
 * key, a secret. `interface`: where the guard is, `count` of them.
 */
json_t *config_tree(const struct model *model, const struct rcxlb_interface *interface, uint32_t count);

/* Writes a tree as YAML. 0, or -EIO. */
int config_write_yaml(const json_t *tree, FILE *to);

#endif
