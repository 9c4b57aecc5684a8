/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates, keys and error pages of all services, read from their files for the workers to come. */
#ifndef AGENT_MATERIAL_H
#define AGENT_MATERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/model.h"
#include "proxy/http_page.h"
#include "proxy/tls.h"

struct material {
	struct tls_material tls[RCXLB_MAX_SERVICES]; /* by service id; count 0: no TLS, or it cannot be had */
	struct identity_pem pem[RCXLB_MAX_SERVICES][RCXLB_MAX_CERTIFICATES];
	struct http_page page[RCXLB_MAX_SERVICES][RCXLB_MAX_ERROR_PAGES]; /* as the model has them */
};

/*
 * Reads what the service with this id asks for. The texts stay the model's, the bytes are the material's. On failure
 * the service has none.
 */
int material_read(struct material *material, const struct model *model, uint32_t service, struct error *error);

/* Reads its error pages. On failure, with a sentence about the first, those that can be read are there. */
int material_read_pages(struct material *material, const struct model *model, uint32_t service, struct error *error);

/*
 * Of a service whose files cannot be read: takes those that were read for an earlier model, where the service has the
 * same id. -ENOENT when there are none, -ENOMEM.
 */
int material_keep(struct material *material, const struct material *earlier, const struct model *model, uint32_t service);

/* Likewise of its error pages, those that are missing, by their files' names. Returns 0 or -ENOMEM. */
int material_keep_pages(struct material *material, const struct model *model, const struct material *earlier,
			const struct model *earlier_model, uint32_t service);

/* Do both have the same bytes, of the same files? */
bool material_equal(const struct material *a, const struct material *b);

/* Frees all of it, keys overwritten. */
void material_forget(struct material *material);

/* Another number when one of the files is another one since, or has been written, or may be read by others. */
uint64_t material_stamp(const struct model *model);

#endif
