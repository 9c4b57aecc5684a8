// SPDX-License-Identifier: BSD-2-Clause
#include "core/others.h"

bool others_own(const struct stat *file, uid_t self)
{
	return file->st_uid && file->st_uid != self;
}

bool others_may_write(const struct stat *file)
{
	return file->st_mode & S_IWOTH || (file->st_mode & S_IWGRP && file->st_gid);
}

bool others_may_read(const struct stat *file)
{
	return file->st_mode & S_IROTH || (file->st_mode & S_IRGRP && file->st_gid);
}
