// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/certificates.h"

#include <stdio.h>

#include "proxy/identity.h"
#include "proxy/identity_file.h"

static int check_one(const char *certificate, const char *key, const char *service, struct error *error)
{
	struct error warning = { "" }, what;
	struct identity identity;
	struct identity_pem pem;
	int err = identity_read(certificate, key, &pem, &what);

	if (!err) {
		err = identity_parse(&pem, &identity, &warning, &what);
		identity_pem_free(&pem);
		if (!err)
			identity_free(&identity);
	}
	if (err)
		return failed(error, err, "service %s: %s", service, what.text);
	if (warning.text[0])
		fprintf(stderr, "rcxlb: warning: service %s: %s\n", service, warning.text);
	return 0;
}

int certificates_check_tls(const struct rcxlb_tls *tls, const char *service, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; i < tls->certificates && !err; i++)
		err = check_one(tls->file[i].certificate, tls->file[i].key, service, error);
	return err;
}

int certificates_check(const struct model *model, struct error *error)
{
	int err = 0;

	for (int i = 0; i < RCXLB_MAX_SERVICES && !err; i++)
		if (model->service[i].name[0])
			err = certificates_check_tls(&model->service[i].tls, model->service[i].name, error);
	return err;
}
