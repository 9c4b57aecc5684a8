/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one picture of the wished state: services, backends, and who belongs to whom. The dataplane makes it from the
 * maps and publishes it; commands change it. Plain data without pointers: it can be copied, compared and written as it
 * is. The index of a service or backend is its id in the maps. Pure.
 */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "rcxlb/abi.h"

struct model_backend {
	bool used;
	bool draining;
	bool elsewhere;		  /* its address is not this network namespace's; decided whenever a model is published */
	bool unassignable;	  /* such a listener of it was seen, as MPTCP's; only in the models of who looks for them */
	uint8_t unused[2];	  /* no holes: models are compared as bytes */
	uint16_t weight;
	uint32_t max_connections;       /* 0: no limit */
	struct rcxlb_endpoint endpoint; /* of an unused one: whose it was; an address added again gets its id back */
};

struct model_service {
	char name[RCXLB_NAME_LEN]; /* empty: unused */
	uint8_t hash;              /* enum rcxlb_hash */
	uint8_t balance;           /* enum rcxlb_balance */
	uint16_t listens;
	struct rcxlb_endpoint listen[RCXLB_MAX_LISTEN];
	uint32_t load_factor;   /* percent */
	uint32_t blocked_ms;    /* as RCXLB_BLOCKED_MS */
	uint32_t slow_start_ms; /* 0: none */
	uint32_t idle_ms;       /* of what workers relay */
	uint32_t unused;        /* 0. No holes: models are compared as bytes */
	struct rcxlb_check check;
	struct rcxlb_tls tls;
	struct rcxlb_http http;
	struct rcxlb_proxy proxy;
	uint64_t member[RCXLB_MAX_BACKENDS / 64]; /* a bit for each backend */
};

struct model {
	uint64_t hash_key[2];
	struct rcxlb_settings settings;
	struct model_service service[RCXLB_MAX_SERVICES];
	struct model_backend backend[RCXLB_MAX_BACKENDS];
};

/* The service with this name, or NULL. */
struct model_service *model_service_find(struct model *model, const char *name);

/* The service meant by `name`: with NULL the only one there is, else an error that names them. */
int model_service_select(struct model *model, const char *name, struct model_service **ret, struct error *error);

/* Is this a service's name? 1 to RCXLB_NAME_LEN - 1 letters, digits, '-', '_' and '.'; else -EINVAL with a sentence. */
int model_name_check(const char *name, struct error *error);

/* Sets the settings to what they are when the operator says nothing. */
void model_settings_defaults(struct rcxlb_settings *settings);

/* Sets everything about how a service chooses and checks to what it is when the operator says nothing but the hash. */
void model_service_defaults(struct model_service *service, uint8_t hash);

/*
 * Adds a service, or changes the one of that name; its backends stay. `wished` holds everything but them.
 * -EEXIST when an address is another service's, or when it shall redirect and has backends; -ENOSPC when there are
 * RCXLB_MAX_SERVICES.
 */
int model_service_set(struct model *model, const struct model_service *wished, struct error *error);

/* Removes a service, and the backends that no other one uses. -EEXIST when another one has a route to it. */
int model_service_delete(struct model *model, const char *name, struct error *error);

/* Adds a listening address to a service that is being put together: -E2BIG, or -EEXIST when it is there already. */
int model_service_listen(struct model_service *service, const char *text, struct error *error);

/* The backend with this address in a service, or in any when service is NULL; or NULL. */
struct model_backend *model_backend_find(struct model *model, const struct model_service *service,
					 const struct rcxlb_endpoint *endpoint);

/* As above; -ENOENT with a sentence when it is not there. */
int model_backend_select(struct model *model, const struct model_service *service,
			 const struct rcxlb_endpoint *endpoint, struct model_backend **ret, struct error *error);

/*
 * Adds a backend to a service with weight 1, or finds it; -ENOSPC when there are RCXLB_MAX_BACKENDS, -EOPNOTSUPP
 * when the service redirects.
 */
int model_backend_add(struct model *model, struct model_service *service, const struct rcxlb_endpoint *endpoint,
		      struct model_backend **ret, struct error *error);

/* Has a backend a port that one of the service's addresses has as well? */
bool model_has_own_port(const struct model *model, const struct model_service *service);

/* Does any service listen on this port? */
bool model_is_own_port(const struct model *model, uint16_t port);

/* Does a service listen on one address of a port of which this one has every address? Connections to that are its. */
bool model_is_pierced(const struct model *model, const struct model_service *service);

/* Do its connections go through a worker, for TLS or HTTP? Not those of an unused entry. */
bool model_is_proxied(const struct model_service *service);

/*
 * Do workers take connections of it? Of a service that is not proxied those for backends that only a worker can reach:
 * elsewhere, or with listeners that no connection can be assigned to; and those of clients whose address family a
 * backend's address is not of, as it may listen on that address alone.
 */
bool model_has_workers(const struct model *model, const struct model_service *service);

/* Does a service that has the backend begin connections to it with a header of the PROXY protocol? */
bool model_sends_proxy(const struct model *model, uint32_t backend);

/* How a backend is checked: as the first service says that has it and checks. NULL: not at all. */
const struct rcxlb_check *model_check(const struct model *model, uint32_t backend);

/* Takes a backend out of a service, and away when no other one uses it. */
int model_backend_remove(struct model *model, struct model_service *service, const struct rcxlb_endpoint *endpoint,
			 struct error *error);

bool model_is_member(const struct model_service *service, uint32_t backend);

/* Ids of a service's backends in the order of their addresses; `to` holds RCXLB_MAX_BACKENDS. Returns how many. */
uint32_t model_members(const struct model *model, const struct model_service *service, uint16_t *to);

/* Texts of what a service listens on, with *:PORT for both any-addresses. Returns how many of `to` were set. */
uint32_t model_listens(const struct model_service *service, char to[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN]);

/* One of a service's addresses as above; `to` holds RCXLB_TEXT_LEN bytes. Returns `to`. */
const char *model_listen_text(const struct model_service *service, const struct rcxlb_endpoint *listen, char *to);

/*
 * Another service that shares a backend with this one and checks it in another way, before it in the list; or NULL.
 * *ret_backend is the shared one. A backend has one state of health; a service whose check is off leaves it to others.
 */
const struct model_service *model_check_rival(const struct model *model, const struct model_service *service,
					      uint32_t *ret_backend);

/* -EEXIST with a sentence when there is such a pair of services. */
int model_checks_agree(const struct model *model, struct error *error);

/* Names of the enumerations, as options, JSON and configuration have them. */
const char *model_hash_name(uint8_t hash);
const char *model_balance_name(uint8_t balance);
int model_hash_parse(const char *text, uint8_t *ret, struct error *error);
int model_balance_parse(const char *text, uint8_t *ret, struct error *error);

#endif
