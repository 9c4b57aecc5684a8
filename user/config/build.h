/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a configuration file have to do with each other. Pure. */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include "config/draft.h"
#include "config/mistakes.h"
#include "config/read.h"

/* Notes what does not go together; when there is nothing, and was nothing before, *ret is the configuration. */
void config_build(const struct draft *draft, struct config *ret, struct mistakes *mistakes);

#endif
