// SPDX-License-Identifier: BSD-2-Clause
#include "core/path.h"

#include <errno.h>
#include <string.h>

#include "core/utf8.h"

int path_set(char to[RCXLB_PATH_LEN], const char *text, struct error *error)
{
	if (text[0] != '/')
		return failed(error, -EINVAL, "the path '%s' must begin with '/': another process opens it", text);
	if (strlen(text) >= RCXLB_PATH_LEN)
		return failed(error, -EINVAL, "the path '%.64s...' has more than %d bytes; give a shorter one", text,
			      RCXLB_PATH_LEN - 1);
	if (!utf8_is_printable(text)) /* a configuration that is printed must be one that can be read */
		return failed(error, -EINVAL,
			      "the path is no UTF-8, or has a control character in it; rename the file");
	memset(to, 0, RCXLB_PATH_LEN);
	strcpy(to, text);
	return 0;
}
