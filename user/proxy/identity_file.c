// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/identity_file.h"

#include <errno.h>
#include <string.h>

#include "proxy/whole_file.h"

#define FILE_MAX (1 << 20)

int identity_read(const char *chain, const char *key, bool (*is_workers)(uid_t), struct identity_pem *ret,
		  struct error *error)
{
	const struct whole_file_rules open_to_all = { .most = FILE_MAX },
				      secret = { .most = FILE_MAX, .private = true, .is_barred = is_workers };
	int err;

	*ret = (struct identity_pem){ .name = strdup(chain), .key_name = strdup(key) };
	if (!ret->name || !ret->key_name)
		err = failed(error, -ENOMEM, "certificate %s: no memory", chain);
	else
		err = whole_file_read("certificate", chain, &open_to_all, &ret->chain, &ret->chain_size, error);
	if (!err)
		err = whole_file_read("key", key, &secret, &ret->key, &ret->key_size, error);
	if (err)
		identity_pem_free(ret);
	return err;
}
