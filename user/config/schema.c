// SPDX-License-Identifier: BSD-2-Clause
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

#include "config/draft.h"
#include "core/check.h"
#include "core/http.h"
#include "core/nearest.h"

#define TEXT(section_, name_, needed_, values_, usual_, take_, purpose_)                                               \
	{                                                                                                              \
		.section = section_, .name = name_, .kind = CONFIG_TEXT, .needed = needed_, .values = values_,         \
		.usual = usual_, .take = take_, .purpose = purpose_                                                    \
	}

#define NUMBER(section_, name_, kind_, least_, most_, usual_, type, field, purpose_)                                   \
	{                                                                                                              \
		.section = section_, .name = name_, .kind = kind_, .least = least_, .most = most_, .usual = usual_,    \
		.offset = offsetof(struct type, field), .width = sizeof(((struct type *)0)->field),                    \
		.purpose = purpose_                                                                                    \
	}

#define LATER(section_, name_, purpose_)                                                                               \
	{                                                                                                              \
		.section = section_, .name = name_, .kind = CONFIG_LATER, .purpose = purpose_                          \
	}

#define INTERFACE "interfaces[]"
#define SERVICE	  "services[]"
#define BACKEND	  "services[].backends[]"
#define HEALTH	  "services[].health"
#define TLS	  "services[].tls[]"
#define HTTP	  "services[].http"
#define HEADERS	  "services[].http.headers"
#define LOG	  "services[].http.access_log"
#define PAGE	  "services[].http.error_page[]"
#define ROUTE	  "services[].routes[]"
#define AGENT	  "agent"
#define METRICS	  "metrics"

#define PATH_VALUES "a path that begins with '/'"
#define XDP_VALUES  "auto, native, skb or off"

/* A new key is a row here, and a field of the draft; what it has to do with others is asked for in build.c. */
static const struct config_key keys[] = {
	{ .section = "",
	  .name = "interfaces",
	  .kind = CONFIG_SECTIONS,
	  .open = draft_open_interface,
	  .bare = "name",
	  .values = "a list of names, or of {name: NAME, xdp: MODE}",
	  .usual = "those that are named when it is loaded; reload leaves them as they are",
	  .purpose = "the network interfaces that the guard is attached to" },
	TEXT("", "xdp", false, XDP_VALUES, "auto", draft_take_xdp,
	     "how the guard is attached to interfaces that do not say it themselves; auto: native if the driver can, "
	     "else skb"),
	{ .section = "",
	  .name = "services",
	  .kind = CONFIG_SECTIONS,
	  .needed = true,
	  .values = "a list of services; [] for none",
	  .open = draft_open_service,
	  .purpose = "what clients dial" },
	{ .section = "",
	  .name = "metrics",
	  .kind = CONFIG_SECTION,
	  .open = draft_open_metrics,
	  .purpose = "where the agent serves metrics" },
	TEXT("", "hash_key", false, "32 hexadecimal digits", "the running one; drawn at first load",
	     draft_take_hash_key, "the secret that clients are hashed with; hosts that have the same choose alike"),
	{ .section = "",
	  .name = "agent",
	  .kind = CONFIG_SECTION,
	  .open = draft_open_agent,
	  .purpose = "the processes beside the kernel's programs" },
	LATER("", "guard", "what the XDP program lets through"),

	TEXT(INTERFACE, "name", true, "the name of a network interface", NULL, draft_take_interface_name,
	     "the interface, as ip link shows it"),
	TEXT(INTERFACE, "xdp", false, XDP_VALUES, "what xdp of the file says", draft_take_interface_xdp,
	     "how the guard is attached to this one; off: it is only noted"),

	TEXT(SERVICE, "name", true, "1 to 31 letters, digits, '-', '_' and '.'", NULL, draft_take_name,
	     "its name; a service that keeps it keeps its counters"),
	{ .section = SERVICE,
	  .name = "listen",
	  .kind = CONFIG_TEXTS,
	  .needed = true,
	  .take = draft_take_listen,
	  .values = "a list of ADDR:PORT; *:PORT is every address",
	  .purpose = "where clients reach it" },
	TEXT(SERVICE, "hash", false, "tuple or client", "tuple", draft_take_hash,
	     "what is hashed: address and port of client and service, or the client's address alone"),
	TEXT(SERVICE, "balance", false, "consistent, bounded or least",
	     "least; with hash: client bounded; with affinity: cookie consistent", draft_take_balance,
	     "which usable backend gets a new connection"),
	NUMBER(SERVICE, "load_factor", CONFIG_FACTOR, 101, RCXLB_MAX_LOAD_FACTOR, "1.25", draft_service,
	       service.load_factor, "how far a backend may exceed its share of the connections"),
	NUMBER(SERVICE, "blocked_ms", CONFIG_NUMBER, 1, RCXLB_MAX_BLOCKED_MS, "5", draft_service, service.blocked_ms,
	       "an event loop that gets nothing done for so long is blocked"),
	NUMBER(SERVICE, "slow_start_ms", CONFIG_NUMBER, 0, RCXLB_MAX_SLOW_START_MS, "0", draft_service,
	       service.slow_start_ms, "time until a backend that comes has its full share of new clients"),
	NUMBER(SERVICE, "idle_ms", CONFIG_NUMBER, 1, RCXLB_MAX_IDLE_MS, "3600000", draft_service, service.idle_ms,
	       "a connection that a worker relays is ended when no byte has come either way for so long"),
	{ .section = SERVICE,
	  .name = "backends",
	  .kind = CONFIG_SECTIONS,
	  .open = draft_open_backend,
	  .bare = "address",
	  .usual = "no backend",
	  .purpose = "the instances" },
	TEXT(SERVICE, "backends_of", false, "the name of a service", NULL, draft_take_backends_of,
	     "it has the backends of that service, and its health check, instead of its own"),
	{ .section = SERVICE,
	  .name = "health",
	  .kind = CONFIG_SECTION,
	  .open = draft_open_health,
	  .purpose = "how its backends are checked" },
	{ .section = SERVICE,
	  .name = "tls",
	  .kind = CONFIG_SECTIONS,
	  .single = true,
	  .open = draft_open_tls,
	  .usual = "no TLS",
	  .purpose =
	      "it ends TLS, with a certificate or a list of them of which a client gets the one that it asks for" },
	{ .section = SERVICE,
	  .name = "http",
	  .kind = CONFIG_SECTION,
	  .open = draft_open_http,
	  .bare = "forwarded",
	  .usual = "HTTP is not parsed",
	  .purpose = "its requests are parsed, and reach a backend with forwarding headers" },
	TEXT(SERVICE, "redirect", false, "https", "no redirection", draft_take_redirect,
	     "requests for which there is no route are answered with the https address; no backend is asked"),
	{ .section = SERVICE,
	  .name = "routes",
	  .kind = CONFIG_SECTIONS,
	  .open = draft_open_route,
	  .usual = "no route",
	  .purpose = "requests for which the backends of other services are asked; it needs http or redirect" },
	TEXT(SERVICE, "acme", false, PATH_VALUES, "no folder", draft_take_acme,
	     "the folder in whose .well-known/acme-challenge a client of a certificate authority puts the answers to "
	     "its "
	     "challenges, as certbot --webroot does; it needs http or redirect"),
	{ .section = SERVICE,
	  .name = "accept_proxy",
	  .kind = CONFIG_TEXTS,
	  .take = draft_take_accept_proxy,
	  .values = "a list of addresses and CIDR blocks",
	  .usual = "from nowhere",
	  .purpose = "from where connections begin with a header of the PROXY protocol, which names the client" },
	TEXT(SERVICE, "send_proxy", false, "v2", "no header", draft_take_send_proxy,
	     "connections to backends begin with a header of the PROXY protocol, which names the client"),
	LATER(SERVICE, "handoff", "hand the client's socket to the instance"),

	TEXT(BACKEND, "address", true, "ADDR:PORT, or ADDR:FIRST-LAST for as many backends", NULL, draft_take_address,
	     "where the instance listens"),
	NUMBER(BACKEND, "weight", CONFIG_NUMBER, 1, RCXLB_MAX_WEIGHT, "1", draft_backend, weight,
	       "its share of the connections, in proportion to the others'"),
	NUMBER(BACKEND, "max_connections", CONFIG_NUMBER, 0, 4294967295ul, "0", draft_backend, max_connections,
	       "bounded and least give it no more connections at a time; 0: no limit"),
	NUMBER(BACKEND, "draining", CONFIG_FLAG, 0, 1, "false", draft_backend, draining, "it gets no new connections"),

	TEXT(HEALTH, "type", false, "auto, off, tcp or http", "auto", draft_take_type,
	     "auto: the best that the instance answers to; tcp: it accepts; http: it answers a GET with a wished "
	     "status"),
	TEXT(HEALTH, "path", false, "a path that begins with '/'", "/", draft_take_path, "http: what is asked for"),
	TEXT(HEALTH, "host", false, "a name or an address", "the backend's address", draft_take_host,
	     "http and auto: the Host field of the request"),
	TEXT(HEALTH, "status", false, "an HTTP status, as 200, or a range, as 200-399", "200-399", draft_take_status,
	     "http: the answers that are good"),
	TEXT(HEALTH, "body", false, "1 to 127 bytes without control characters", NULL, draft_take_body,
	     "http: what must occur in the body of the answer"),
	NUMBER(HEALTH, "interval_ms", CONFIG_NUMBER, CHECK_LEAST_INTERVAL_MS, CHECK_MOST_INTERVAL_MS, "2000",
	       draft_health, check.interval_ms, "time from one check to the next"),
	NUMBER(HEALTH, "timeout_ms", CONFIG_NUMBER, CHECK_LEAST_TIMEOUT_MS, CHECK_MOST_INTERVAL_MS, "1000",
	       draft_health, check.timeout_ms, "an answer that takes longer is bad; not more than interval_ms"),
	NUMBER(HEALTH, "rise", CONFIG_NUMBER, 1, CHECK_MOST_IN_A_ROW, "2", draft_health, check.rise,
	       "good checks in a row until a backend is up"),
	NUMBER(HEALTH, "fall", CONFIG_NUMBER, 1, CHECK_MOST_IN_A_ROW, "3", draft_health, check.fall,
	       "bad checks in a row until it is down"),

	TEXT(TLS, "certificate", true, PATH_VALUES, NULL, draft_take_certificate,
	     "the file with the certificate, and those that lead from it to a known one, in PEM"),
	TEXT(TLS, "key", true, PATH_VALUES, NULL, draft_take_key,
	     "the file with its private key, in PEM, which nobody but its owner may read"),

	TEXT(HTTP, "forwarded", false, "true", "true", draft_take_forwarded,
	     "backends get X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP and Forwarded, and none of these from a "
	     "client"),
	NUMBER(HTTP, "head_bytes", CONFIG_NUMBER, HTTP_LEAST_HEAD_BYTES, HTTP_MOST_HEAD_BYTES, "15360", draft_http,
	       http.head_bytes, "a request with a longer head is refused"),
	NUMBER(HTTP, "fields", CONFIG_NUMBER, 1, HTTP_MOST_FIELDS, "128", draft_http, http.fields,
	       "a request with more header fields is refused"),
	NUMBER(HTTP, "body_bytes", CONFIG_NUMBER, 0, HTTP_MOST_BODY_BYTES, "0", draft_http, http.body_bytes,
	       "a request with a longer body is refused; 0: none is"),
	NUMBER(HTTP, "head_ms", CONFIG_NUMBER, HTTP_LEAST_MS, HTTP_MOST_MS, "60000", draft_http, http.head_ms,
	       "time from the first byte of a request to the end of its head"),
	NUMBER(HTTP, "body_ms", CONFIG_NUMBER, HTTP_LEAST_MS, HTTP_MOST_MS, "60000", draft_http, http.body_ms,
	       "time without a byte of a body; of an answer's, answer_ms if that is longer"),
	NUMBER(HTTP, "answer_ms", CONFIG_NUMBER, HTTP_LEAST_MS, HTTP_MOST_MS, "300000", draft_http, http.answer_ms,
	       "time until a backend has answered with a head"),
	{ .section = HTTP,
	  .name = "trusted_proxies",
	  .kind = CONFIG_TEXTS,
	  .take = draft_take_trusted,
	  .values = "a list of addresses and CIDR blocks",
	  .usual = "nobody is believed",
	  .purpose = "whose forwarding headers are believed and continued" },
	{ .section = HTTP,
	  .name = "headers",
	  .kind = CONFIG_SECTION,
	  .open = draft_open_headers,
	  .purpose = "header fields of requests" },
	{ .section = HTTP,
	  .name = "access_log",
	  .kind = CONFIG_SECTION,
	  .open = draft_open_access_log,
	  .bare = "to",
	  .values = "a file, journal, or {to: FILE, format: FORMAT}",
	  .usual = "nothing is written",
	  .purpose = "where a line for each request is written" },
	{ .section = HTTP,
	  .name = "error_page",
	  .kind = CONFIG_SECTIONS,
	  .single = true,
	  .open = draft_open_error_page,
	  .usual = "short answers in plain text",
	  .purpose = "files that are the bodies of a worker's own answers to requests" },
	TEXT(HTTP, "affinity", false, "none or cookie", "none", draft_take_affinity,
	     "cookie: a number in a cookie is hashed instead of the client's address, so that clients behind one "
	     "address have instances of their own, and each comes back to its one"),

	{ .section = HEADERS,
	  .name = "set",
	  .kind = CONFIG_PAIRS,
	  .take = draft_take_header,
	  .values = "a mapping, as {X-Region: eu}",
	  .usual = "none is set",
	  .purpose = "backends get these instead of the client's" },

	TEXT(LOG, "to", true, "a path that begins with '/', or journal", NULL, draft_take_log_to,
	     "the file, which is opened anew when it was renamed; or the journal"),
	TEXT(LOG, "format", false, "combined or json", "combined", draft_take_log_format,
	     "how a line is written: as Apache and nginx do, or as an object"),

	{ .section = PAGE,
	  .name = "status",
	  .kind = CONFIG_TEXTS,
	  .needed = true,
	  .single = true,
	  .take = draft_take_error_status,
	  .values = "a status, as 503, or a list of them",
	  .purpose = "the answers that have this body" },
	TEXT(PAGE, "file", true, PATH_VALUES, NULL, draft_take_error_file,
	     "the file, of at most 64 KiB; its name's end says what it is, and without a known one it is HTML"),

	TEXT(ROUTE, "path", true, "a path that begins with '/'", NULL, draft_take_route_path,
	     "requests for it and for all below it; the longest that fits counts"),
	TEXT(ROUTE, "service", true, "the name of a service", NULL, draft_take_route_service,
	     "the service whose backends are asked, by its own rule"),

	TEXT(AGENT, "workers", false, "auto or 1 to 64", "auto, one for each core", draft_take_workers,
	     "processes that end TLS, parse HTTP and relay"),

	TEXT(METRICS, "listen", false, "ADDR:PORT or off", RCXLB_METRICS_LISTEN, draft_take_metrics_listen,
	     "where they are served"),
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

const struct config_key *config_keys(uint32_t *ret_count)
{
	*ret_count = KEYS;
	return keys;
}

const struct config_key *config_key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (!strcmp(keys[i].section, section) && !strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

uint32_t config_key_place(const struct config_key *key)
{
	const struct config_key *first = key;

	while (first > keys && !strcmp(first[-1].section, key->section))
		first--;
	return key - first;
}

const char *config_key_path(const struct config_key *key, char to[CONFIG_PATH_LEN])
{
	snprintf(to, CONFIG_PATH_LEN, "%s%s%s%s", key->section, key->section[0] ? "." : "", key->name,
		 key->kind == CONFIG_SECTIONS ? "[]" : "");
	return to;
}

const char *config_key_nearest(const char *section, const char *name)
{
	struct nearest nearest = { .meant = name };

	for (size_t i = 0; i < KEYS; i++)
		if (!strcmp(keys[i].section, section))
			nearest_offer(&nearest, keys[i].name);
	return nearest.word;
}
