// SPDX-License-Identifier: BSD-2-Clause
#include "core/version.h"

const char rcxlb_version[64] = RCXLB_VERSION;
