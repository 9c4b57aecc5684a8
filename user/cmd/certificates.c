// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/certificates.h"

#include <stdio.h>
#include <string.h>

#include "agent/sandbox.h"
#include "proxy/identity.h"
#include "proxy/identity_file.h"

static int check_one(const struct rcxlb_tls *tls, uint32_t i, const char *service, struct error *error)
{
	struct error warning = { "" };
	struct identity identity;
	struct identity_pem pem;
	int err = identity_read(tls->file[i].certificate, tls->file[i].key, sandbox_user_is, &pem, error);

	if (err)
		return err;
	err = identity_parse(&pem, &identity, &warning, error);
	identity_pem_free(&pem);
	if (!err)
		identity_free(&identity);
	if (!err && warning.text[0])
		fprintf(stderr, "rcxlb: warning: service %s: %s\n", service, warning.text);
	return err;
}

int certificates_check(const struct rcxlb_tls *tls, const char *service, struct error *error)
{
	struct error what;
	int err = 0;

	for (uint32_t i = 0; i < tls->certificates && !err; i++)
		err = check_one(tls, i, service, &what);
	return err ? failed(error, err, "service %s: %s", service, what.text) : 0;
}

void certificates_check_file(const struct config *config, struct mistakes *mistakes)
{
	struct error error;

	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		const struct model_service *service = &config->model.service[id];

		for (uint32_t i = 0; service->name[0] && i < service->tls.certificates; i++) {
			const struct config_lines *lines = &config->tls[id][i];

			if (check_one(&service->tls, i, service->name, &error))
				mistake(mistakes, strncmp(error.text, "key ", 4) ? lines->certificate : lines->key,
					service->name, "%s", error.text);
		}
	}
}
