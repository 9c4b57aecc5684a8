/* SPDX-License-Identifier: BSD-2-Clause */
/* The version of this build, alone in its object: with another one the same objects are another build. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

/* A string, with zeros up to its end. */
extern const char rcxlb_version[64];

#endif
