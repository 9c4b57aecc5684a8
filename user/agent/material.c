// SPDX-License-Identifier: BSD-2-Clause
#include "agent/material.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/sandbox.h"
#include "proxy/identity.h"
#include "proxy/identity_file.h"

/* Looked at here as well: what a worker says of it the supervisor does not hear. */
static int read_one(const char *certificate, const char *key, struct identity_pem *to, struct error *error)
{
	int err = identity_read(certificate, key, sandbox_user_is, to, error);
	struct identity identity;
	struct error warning;

	if (err)
		return err;
	err = identity_parse(to, &identity, &warning, error);
	if (err)
		identity_pem_free(to);
	else
		identity_free(&identity);
	return err;
}

static void forget_identities(struct material *material, uint32_t service)
{
	while (material->tls[service].count)
		identity_pem_free(&material->pem[service][--material->tls[service].count]);
}

int material_read(struct material *material, const struct model *model, uint32_t service, struct error *error)
{
	const struct rcxlb_tls *wished = &model->service[service].tls;
	struct tls_material *tls = &material->tls[service];
	int err = 0;

	*tls = (struct tls_material){ .service = model->service[service].name, .identities = material->pem[service] };
	for (uint32_t i = 0; i < wished->certificates && i < RCXLB_MAX_CERTIFICATES && !err; i++) {
		err = read_one(wished->file[i].certificate, wished->file[i].key, &material->pem[service][i], error);
		if (!err)
			tls->count++;
	}
	if (err)
		forget_identities(material, service);
	return err;
}

int material_read_pages(struct material *material, const struct model *model, uint32_t service, struct error *error)
{
	const struct rcxlb_http *wished = &model->service[service].http;
	struct error what;
	int err = 0;

	for (uint32_t i = 0; i < wished->error_pages && i < RCXLB_MAX_ERROR_PAGES; i++) {
		int problem = http_page_read(wished->error_page[i].file, &material->page[service][i], &what);

		if (problem && !err)
			err = failed(error, problem, "service %s: %s", model->service[service].name, what.text);
	}
	return err;
}

int material_keep(struct material *material, const struct material *earlier, const struct model *model,
		  uint32_t service)
{
	struct tls_material *tls = &material->tls[service];
	int err = earlier->tls[service].count ? 0 : -ENOENT;

	*tls = (struct tls_material){ .service = model->service[service].name, .identities = material->pem[service] };
	for (uint32_t i = 0; i < earlier->tls[service].count && !err; i++) {
		err = identity_pem_copy(&earlier->pem[service][i], &material->pem[service][i]);
		if (!err)
			tls->count++;
	}
	if (err)
		forget_identities(material, service);
	return err;
}

static const struct http_page *page_of(const struct material *material, const struct model *model, uint32_t service,
				       const char *file)
{
	const struct rcxlb_http *http = &model->service[service].http;

	for (uint32_t i = 0; i < http->error_pages && i < RCXLB_MAX_ERROR_PAGES; i++)
		if (!strcmp(http->error_page[i].file, file))
			return &material->page[service][i];
	return NULL;
}

int material_keep_pages(struct material *material, const struct model *model, const struct material *earlier,
			const struct model *earlier_model, uint32_t service)
{
	const struct rcxlb_http *wished = &model->service[service].http;
	int err = 0;

	for (uint32_t i = 0; i < wished->error_pages && i < RCXLB_MAX_ERROR_PAGES && !err; i++) {
		struct http_page *page = &material->page[service][i];
		const struct http_page *kept = page_of(earlier, earlier_model, service, wished->error_page[i].file);

		if (!page->bytes && kept)
			err = http_page_copy(kept, page);
	}
	return err;
}

static bool same_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
	return !a == !b && a_size == b_size && (!a || !memcmp(a, b, a_size));
}

static bool same_identity(const struct identity_pem *a, const struct identity_pem *b)
{
	return same_bytes(a->chain, a->chain_size, b->chain, b->chain_size) &&
	       same_bytes(a->key, a->key_size, b->key, b->key_size);
}

static bool same_service(const struct material *a, const struct material *b, uint32_t service)
{
	bool same = a->tls[service].count == b->tls[service].count;

	for (uint32_t i = 0; i < a->tls[service].count && same; i++)
		same = same_identity(&a->pem[service][i], &b->pem[service][i]);
	for (uint32_t i = 0; i < RCXLB_MAX_ERROR_PAGES && same; i++)
		same = same_bytes(a->page[service][i].bytes, a->page[service][i].size, b->page[service][i].bytes,
				  b->page[service][i].size);
	return same;
}

bool material_equal(const struct material *a, const struct material *b)
{
	bool same = true;

	for (uint32_t service = 0; service < RCXLB_MAX_SERVICES && same; service++)
		same = same_service(a, b, service);
	return same;
}

void material_forget(struct material *material)
{
	for (uint32_t service = 0; service < RCXLB_MAX_SERVICES; service++) {
		forget_identities(material, service);
		for (uint32_t i = 0; i < RCXLB_MAX_ERROR_PAGES; i++)
			http_page_free(&material->page[service][i]);
	}
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3ull;
}

static uint64_t mix_file(uint64_t hash, const char *path)
{
	struct stat file;

	if (stat(path, &file))
		return mix(hash, 1);
	hash = mix(mix(hash, file.st_ino), file.st_size);
	hash = mix(mix(hash, file.st_mtim.tv_sec), file.st_mtim.tv_nsec);
	return mix(mix(hash, file.st_ctim.tv_sec), file.st_ctim.tv_nsec);
}

uint64_t material_stamp(const struct model *model)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (uint32_t service = 0; service < RCXLB_MAX_SERVICES; service++) {
		const struct rcxlb_tls *tls = &model->service[service].tls;
		const struct rcxlb_http *http = &model->service[service].http;

		for (uint32_t i = 0; i < tls->certificates && i < RCXLB_MAX_CERTIFICATES; i++)
			hash = mix_file(mix_file(hash, tls->file[i].certificate), tls->file[i].key);
		for (uint32_t i = 0; i < http->error_pages && i < RCXLB_MAX_ERROR_PAGES; i++)
			hash = mix_file(hash, http->error_page[i].file);
	}
	return hash;
}
