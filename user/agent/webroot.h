/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks into the folders in which answers to challenges of a certificate authority are put, for the workers. */
#ifndef AGENT_WEBROOT_H
#define AGENT_WEBROOT_H

#include "core/model.h"
#include "proxy/http_challenges.h"

/* Memory that is shared with the workers to come; NULL: there is none. It is never given back. */
struct http_challenges *webroot_new(void);

/*
 * Takes what lies in these folders of a model's services, as certbot's --webroot puts it there: in
 * .well-known/acme-challenge, which need not exist. Below the folder no symbolic link is followed, nor anything opened
 * that is no regular file with the name of a token. *lacked, empty at first, is what cannot be looked at, told once to
 * the log.
 */
void webroot_look(struct http_challenges *shared, const struct model *model, struct error *lacked);

/* A worker only reads it. Called in its process. */
void webroot_seal(struct http_challenges *shared);

/* In this process alone. */
void webroot_free(struct http_challenges *shared);

#endif
