/* SPDX-License-Identifier: BSD-2-Clause */
/* A model as a configuration file. */
#ifndef CONFIG_EMIT_H
#define CONFIG_EMIT_H

#include <jansson.h>
#include <stdio.h>

#include "core/model.h"

/* The configuration's tree, as DESIGN describes the file; the caller's, NULL when out of memory. Takes `interfaces`. */
json_t *config_tree(const struct model *model, json_t *interfaces);

/* Writes a tree as YAML. 0, or -EIO. */
int config_write_yaml(const json_t *tree, FILE *to);

#endif
