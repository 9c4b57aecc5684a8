/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration file as it was written: each value has been looked at alone, and knows its line. Pure. */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include "config/schema.h"
#include "core/model.h"
#include "core/xdp.h"

#define DRAFT_MOST_KEYS 24 /* of a section */

/* The beginning of every section. */
struct draft_head {
	uint32_t line;
	uint32_t key_line[DRAFT_MOST_KEYS]; /* by the key's place in the section; 0: it is not there */
};

struct draft_interface {
	struct draft_head head;
	char name[XDP_NAME_LEN];
	enum xdp_choice xdp;
};

struct draft_backend {
	struct draft_head head;
	struct rcxlb_endpoint first;
	uint16_t last; /* port; 0: the address could not be read */
	uint16_t weight;
	uint32_t max_connections;
	bool draining;
};

struct draft_health {
	struct draft_head head;
	struct rcxlb_check check;
};

struct draft_tls {
	struct draft_head head;
	char certificate[RCXLB_PATH_LEN];
	char key[RCXLB_PATH_LEN];
};

/* A part of http, which puts what it says there. */
struct draft_http_part {
	struct draft_head head;
	struct rcxlb_http *http;
};

/* A file that is answered with, whose statuses are put into http.error_page[page]. */
struct draft_error_page {
	struct draft_head head;
	struct rcxlb_http *http;
	uint32_t page;
};

struct draft_http {
	struct draft_head head;
	struct rcxlb_http http;
	struct draft_http_part headers, access_log;
	struct draft_error_page error_page[RCXLB_MAX_ERROR_PAGES]; /* as many as http has */
};

struct draft_route {
	struct draft_head head;
	char path[RCXLB_PATH_LEN];
	char service[RCXLB_NAME_LEN];
};

struct draft_service {
	struct draft_head head;
	struct model_service service; /* without members */
	uint32_t listen_line[RCXLB_MAX_LISTEN];
	char backends_of[RCXLB_NAME_LEN];
	struct draft_health health;
	uint32_t certificates;
	struct draft_tls tls[RCXLB_MAX_CERTIFICATES];
	struct draft_http http;
	char acme[RCXLB_PATH_LEN];
	uint32_t routes;
	struct draft_route route[RCXLB_MAX_ROUTES];
	struct draft_backend *backend; /* `backends` of them */
	uint32_t backends, room;
};

struct draft_agent {
	struct draft_head head;
	uint32_t workers; /* 0: auto */
};

struct draft_metrics {
	struct draft_head head;
	struct rcxlb_endpoint listen;
};

struct draft {
	struct draft_head head;
	uint64_t hash_key[2];
	enum xdp_choice xdp;
	struct draft_agent agent;
	struct draft_metrics metrics;
	uint32_t interfaces, services;
	struct draft_interface interface[RCXLB_MAX_INTERFACES];
	struct draft_service service[RCXLB_MAX_SERVICES];
};

/* One where nothing is said; or NULL. The caller's, for draft_free(). */
struct draft *draft_new(void);
void draft_free(struct draft *draft);

/* The line of a key in a section that has it, else that of the section. */
uint32_t draft_line(const struct draft_head *head, const char *section, const char *key);
bool draft_has(const struct draft_head *head, const char *section, const char *key);

/* For the schema's open(): room for one more section, set to what holds when nothing is said. */
void *draft_open_interface(void *draft, struct error *error);
void *draft_open_service(void *draft, struct error *error);
void *draft_open_backend(void *service, struct error *error);
void *draft_open_health(void *service, struct error *error);
void *draft_open_tls(void *service, struct error *error);
void *draft_open_http(void *service, struct error *error);
void *draft_open_headers(void *http, struct error *error);
void *draft_open_access_log(void *http, struct error *error);
void *draft_open_error_page(void *http, struct error *error);
void *draft_open_route(void *service, struct error *error);
void *draft_open_agent(void *draft, struct error *error);
void *draft_open_metrics(void *draft, struct error *error);

/* Is it a number with zeros in front? With a sentence then: YAML 1.1 takes it for octal, and its author does not. */
bool draft_has_zeros(const char *text, struct error *error);

/* For the schema's take(). */
int draft_take_interface_name(const struct draft_value *value, void *interface, struct error *error);
int draft_take_interface_xdp(const struct draft_value *value, void *interface, struct error *error);
int draft_take_xdp(const struct draft_value *value, void *draft, struct error *error);
int draft_take_hash_key(const struct draft_value *value, void *draft, struct error *error);
int draft_take_name(const struct draft_value *value, void *service, struct error *error);
int draft_take_listen(const struct draft_value *value, void *service, struct error *error);
int draft_take_hash(const struct draft_value *value, void *service, struct error *error);
int draft_take_balance(const struct draft_value *value, void *service, struct error *error);
int draft_take_backends_of(const struct draft_value *value, void *service, struct error *error);
int draft_take_address(const struct draft_value *value, void *backend, struct error *error);
int draft_take_type(const struct draft_value *value, void *health, struct error *error);
int draft_take_path(const struct draft_value *value, void *health, struct error *error);
int draft_take_host(const struct draft_value *value, void *health, struct error *error);
int draft_take_body(const struct draft_value *value, void *health, struct error *error);
int draft_take_status(const struct draft_value *value, void *health, struct error *error);
int draft_take_certificate(const struct draft_value *value, void *tls, struct error *error);
int draft_take_key(const struct draft_value *value, void *tls, struct error *error);
int draft_take_accept_proxy(const struct draft_value *value, void *service, struct error *error);
int draft_take_send_proxy(const struct draft_value *value, void *service, struct error *error);
int draft_take_redirect(const struct draft_value *value, void *service, struct error *error);
int draft_take_acme(const struct draft_value *value, void *service, struct error *error);
int draft_take_forwarded(const struct draft_value *value, void *http, struct error *error);
int draft_take_affinity(const struct draft_value *value, void *http, struct error *error);
int draft_take_trusted(const struct draft_value *value, void *http, struct error *error);
int draft_take_header(const struct draft_value *value, void *headers, struct error *error);
int draft_take_log_to(const struct draft_value *value, void *access_log, struct error *error);
int draft_take_log_format(const struct draft_value *value, void *access_log, struct error *error);
int draft_take_error_status(const struct draft_value *value, void *error_page, struct error *error);
int draft_take_error_file(const struct draft_value *value, void *error_page, struct error *error);
int draft_take_route_path(const struct draft_value *value, void *route, struct error *error);
int draft_take_route_service(const struct draft_value *value, void *route, struct error *error);
int draft_take_workers(const struct draft_value *value, void *agent, struct error *error);
int draft_take_metrics_listen(const struct draft_value *value, void *metrics, struct error *error);

#endif
