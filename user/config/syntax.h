/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CONFIG_SYNTAX_H
#define CONFIG_SYNTAX_H

#include <stddef.h>
#include <yaml.h>

#include "config/mistakes.h"

/* Notes why libyaml stopped, in the words of somebody who wrote the file. `bytes` is what it was given. */
void syntax_mistake(const yaml_parser_t *parser, const char *bytes, size_t size, struct mistakes *mistakes);

#endif
