// SPDX-License-Identifier: BSD-2-Clause
#include "core/path.h"

#include <errno.h>
#include <string.h>

int path_set(char to[RCXLB_PATH_LEN], const char *text, struct error *error)
{
	if (text[0] != '/')
		return failed(error, -EINVAL, "the path '%s' must begin with '/': another process opens it", text);
	if (strlen(text) >= RCXLB_PATH_LEN)
		return failed(error, -EINVAL, "the path '%.64s...' has more than %d bytes; give a shorter one", text,
			      RCXLB_PATH_LEN - 1);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return failed(error, -EINVAL, "the path has a control character in it");
	memset(to, 0, RCXLB_PATH_LEN);
	strcpy(to, text);
	return 0;
}
