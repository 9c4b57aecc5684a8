// SPDX-License-Identifier: BSD-2-Clause
/* Configuration files: every mistake a person makes has its line and its sentence. tests/unit/config.c: what is right.
 */
#include "test.h"

#include <errno.h>

#include "config/read.h"
#include "config/tree.h"

static struct config config;
static struct mistakes mistakes;

#define LISTEN "services:\n- name: a\n  listen: [\"*:80\"]\n"

static int read_text(const char *text)
{
	return config_read(text, strlen(text), &config, &mistakes);
}

/* One mistake each, and nothing that follows from it. */
static const struct {
	const char *what;
	const char *file;
	uint32_t line;
	const char *says; /* in the sentence */
} wrong[] = {
	{ "an empty file", "", 1, "'file': it is empty" },
	{ "a comment alone", "# nothing\n", 1, "it is empty" },
	{ "a file without services", "interfaces: [eth0]\n", 1, "'services': it is missing in the file; add it" },
	{ "services without a list", "services:\n", 1, "'services': there is no value" },
	{ "a list for a file", "- a\n- b\n", 1, "must be a mapping" },
	{ "a word for a file", "hello\n", 1, "'hello': the file is a single value" },
	{ "a tab", "services:\n\t- name: a\n", 2, "indented by a tab; YAML wants blanks" },
	{ "a tab in front of a key", "services: []\nmetrics:\n \tlisten: off\n", 3, "indented by a tab" },
	{ "a star without quotes", "services:\n- name: a\n  listen: [*:80]\n", 3,
	  "'*:80': no value begins with '*' without quotes around it; write it as \"*:80\"" },
	{ "a star that is a good alias", "services:\n- name: a\n  listen: [*a]\n", 3,
	  "'a': there is no anchor &a above" },
	{ "an @ without quotes", "services:\n- name: @a\n", 2, "write it as \"@a\"" },
	{ "a bracket that is not closed", "services:\n- name: a\n  listen: [\"*:80\"\n  hash: tuple\n", 4,
	  "this is no YAML: did not find expected ',' or ']'" },
	{ "a quote that is not closed", "services: []\nhash_key: \"abc\n", 3, "this is no YAML" },
	{ "a colon too many", "services: []\nxdp: auto: off\n", 2, "a key and its value cannot stand here" },
	{ "a key that stands in the wrong column", "services:\n- name: a\n   listen: [\"*:80\"]\n", 3, "indentation" },
	{ "bytes that are no UTF-8", "services: []\nxdp: \xff\n", 2, "no UTF-8 text" },
	{ "two documents", "services: []\n---\nservices: []\n", 2, "'---': a second document begins here" },
	{ "a tag", "services: !!python/object []\n", 1, "tags have no meaning here" },
	{ "an alias that is its own parent", "services: &a [*a]\n", 1, "there is no anchor &a above" },
	{ "an unknown key", "services: []\nfrobnicate: 1\n", 2,
	  "there is no such key in the file; there is: interfaces," },
	{ "an unknown key near a known one", "servcies: []\nservices: []\n", 1, "did you mean 'services'?" },
	{ "a letter too many", LISTEN "  balances: least\n", 4, "no such key in services[]; did you mean 'balance'?" },
	{ "a dash for an underscore", LISTEN "  load-factor: 1.5\n", 4, "did you mean 'load_factor'?" },
	{ "capitals", LISTEN "  Hash: client\n", 4, "did you mean 'hash'?" },
	{ "a key in the wrong place", "services: []\nlisten: [\"*:80\"]\n", 2,
	  "'listen': there is no such key in the file" },
	{ "a merge key", "services:\n- {name: a, listen: [\"*:80\"], <<: {}}\n", 2, "'<<': there is no such key" },
	{ "a key that is a list", "services: []\n[a, b]: c\n", 2, "a key is a word" },
	{ "a key twice", LISTEN "  hash: tuple\n  hash: client\n", 5, "'hash': the key is there already, in line 4" },
	{ "the services twice", "services: []\nxdp: off\nservices: []\n", 3, "already, in line 1" },
	{ "a key that comes later", LISTEN "  handoff: auto\n", 4, "does not have this yet (" },
	{ "a list for http", LISTEN "  http: []\n", 4, "'http': it is a list here; it must be a mapping" },
	{ "http without a value", LISTEN "  http:\n", 4, "'http': there is no value" },
	{ "http that is switched off", LISTEN "  http: false\n", 4, "'false': it is true: requests that are parsed" },
	{ "headers that are not forwarded", LISTEN "  http: {forwarded: yes}\n", 4, "'yes': it is true" },
	{ "a head beyond what an instance takes", LISTEN "  http: {head_bytes: 16384}\n", 4,
	  "'16384': head_bytes is a number from 1024 to 15360" },
	{ "a head too small for a browser", LISTEN "  http: {head_bytes: 1023}\n", 4, "'1023': head_bytes" },
	{ "no fields", LISTEN "  http: {fields: 0}\n", 4, "'0': fields is a number from 1 to 128" },
	{ "a body of a size with a unit", LISTEN "  http: {body_bytes: 100M}\n", 4, "'100M': body_bytes is a number" },
	{ "a body past all numbers", LISTEN "  http: {body_bytes: 9223372036854775808}\n", 4,
	  "'9223372036854775808': body_bytes is a number from 0 to 9223372036854775807" },
	{ "no time for an answer", LISTEN "  http: {answer_ms: 0}\n", 4,
	  "'0': answer_ms is a number of milliseconds from 100 to 86400000" },
	{ "a proxy by name", LISTEN "  http: {trusted_proxies: [proxy.example.org]}\n", 4,
	  "'proxy.example.org': is no address and no CIDR block" },
	{ "a block with bits behind its length", LISTEN "  http:\n    trusted_proxies:\n    - 10.0.0.1/8\n", 6,
	  "'10.0.0.1/8': does not begin at its address; did you mean 10.0.0.0/8?" },
	{ "a block longer than an address", LISTEN "  http: {trusted_proxies: [\"::/129\"]}\n", 4,
	  "'::/129': the length behind the '/' is not a number from 0 to 128" },
	{ "a proxy twice", LISTEN "  http: {trusted_proxies: [10.0.0.1, 10.0.0.1/32]}\n", 4,
	  "'10.0.0.1/32': the proxy '10.0.0.1/32' is given twice" },
	{ "one proxy without a list", LISTEN "  http: {trusted_proxies: 10.0.0.1}\n", 4,
	  "'trusted_proxies': it is a single value here; it must be a list" },
	{ "headers of proxies by name", LISTEN "  accept_proxy: [lb.example.org]\n", 4,
	  "'lb.example.org': is no address and no CIDR block" },
	{ "headers of a proxy twice", LISTEN "  accept_proxy: [10.0.0.0/8, 10.0.0.0/8]\n", 4,
	  "'10.0.0.0/8': the proxy '10.0.0.0/8' is given twice" },
	{ "headers of one proxy without a list", LISTEN "  accept_proxy: 10.0.0.1\n", 4,
	  "'accept_proxy': it is a single value here; it must be a list" },
	{ "a header of the first version", LISTEN "  send_proxy: v1\n", 4,
	  "'v1': is no version of the PROXY protocol that can be sent; it is v2" },
	{ "a redirect with a header to backends", LISTEN "  redirect: https\n  send_proxy: v2\n", 5,
	  "'send_proxy': the service has redirect" },
	{ "headers without set", LISTEN "  http: {headers: {X-Region: eu}}\n", 4,
	  "'X-Region': there is no such key in services[].http.headers; there is: set" },
	{ "headers in a list", LISTEN "  http: {headers: {set: [X-Region]}}\n", 4,
	  "'set': it is a list here; it must be a mapping" },
	{ "a header without a value", LISTEN "  http: {headers: {set: {X-Region: }}}\n", 4,
	  "'X-Region': the header field 'X-Region' has no value" },
	{ "a header with two values", LISTEN "  http: {headers: {set: {X-Region: [a, b]}}}\n", 4,
	  "'set': a name and its value are single values" },
	{ "a header whose name is no token", LISTEN "  http: {headers: {set: {\"X Region\": eu}}}\n", 4,
	  "'X Region': the header field 'X Region' cannot be set: no valid field name" },
	{ "a header whose value ends a line",
	  LISTEN "  http:\n    headers:\n      set:\n        X-A: \"a\\r\\nHost: b\"\n", 7,
	  "'X-A': the header field 'X-A' cannot be set: a control character in the value" },
	{ "a header with a blank at its end", LISTEN "  http: {headers: {set: {X-A: \"a \"}}}\n", 4,
	  "a blank at the beginning or the end" },
	{ "a header with a tab in it", LISTEN "  http: {headers: {set: {X-A: \"a\\tb\"}}}\n", 4,
	  "a control character" },
	{ "a header that says who the client is", LISTEN "  http: {headers: {set: {x-forwarded-for: 1.2.3.4}}}\n", 4,
	  "'x-forwarded-for': the header field 'x-forwarded-for' cannot be set: a field that the proxy itself sets" },
	{ "a header that servers take for one of ours", LISTEN "  http: {headers: {set: {X_REAL_IP: 1.2.3.4}}}\n", 4,
	  "a field that the proxy itself sets" },
	{ "a header that frames the body", LISTEN "  http: {headers: {set: {Content-Length: 0}}}\n", 4,
	  "a field that the proxy itself sets" },
	{ "a header twice", LISTEN "  http:\n    headers:\n      set:\n        X-A: a\n        x_a: b\n", 8,
	  "'x_a': the header field 'x_a' is set twice" },
	{ "a header that is too long",
	  LISTEN "  http: {headers: {set: {X-123456789012345678901234567890123456789012345678901234567890123: a}}}\n",
	  4, "a name has at most 63 bytes, a value 191" },
	{ "a redirection to elsewhere", LISTEN "  redirect: http://example.org\n", 4,
	  "'http://example.org': is nothing to redirect to; it is https" },
	{ "a redirection and certificates", LISTEN "  redirect: https\n  tls: {certificate: /a, key: /b}\n", 5,
	  "'tls': the service has redirect, with which it asks no backend of its own" },
	{ "a redirection and http", LISTEN "  http: {}\n  redirect: https\n", 4, "'http': the service has redirect" },
	{ "a redirection and backends", LISTEN "  redirect: https\n  backends: [127.0.0.1:1]\n", 5,
	  "'backends': the service has redirect" },
	{ "a redirection and others' backends",
	  LISTEN "- name: b\n  listen: [\"*:81\"]\n  redirect: https\n  backends_of: a\n", 7,
	  "'backends_of': the service has redirect" },
	{ "a redirection and a check", LISTEN "  redirect: https\n  health: {type: tcp}\n", 5,
	  "'health': the service has redirect" },
	{ "backends of a redirection", LISTEN "  redirect: https\n- name: b\n  listen: [\"*:81\"]\n  backends_of: a\n",
	  7, "'a': that service has redirect, and no backends" },
	{ "challenges where no HTTP is", LISTEN "  acme: /var/www\n", 4, "'acme': paths are known where HTTP is parsed" },
	{ "challenges from nowhere", LISTEN "  redirect: https\n  acme: www\n", 5, "'www': the path 'www' must begin" },
	{ "challenges from a folder and by a route",
	  LISTEN "  redirect: https\n  acme: /var/www\n  routes:\n  - {path: /.well-known/acme-challenge, service: b}\n"
		 "- {name: b, listen: [\"*:81\"]}\n",
	  7, "'/.well-known/acme-challenge': the service has acme" },
	{ "an access log in a folder from nowhere", LISTEN "  http: {access_log: access.log}\n", 4,
	  "'access.log': the path 'access.log' must begin with '/'" },
	{ "an access log of a kind that does not exist", LISTEN "  http: {access_log: {to: journal, format: xml}}\n", 4,
	  "'xml': the format 'xml' is not known; it is combined or json" },
	{ "an access log nowhere", LISTEN "  http:\n    access_log:\n      format: json\n", 6,
	  "'to': it is missing in services[].http.access_log" },
	{ "a switched-on access log", LISTEN "  http: {access_log: [journal]}\n", 4,
	  "'access_log': it is a list here; it must be a mapping" },
	{ "an error page for an answer of backends", LISTEN "  http: {error_page: {status: 404, file: /a}}\n", 4,
	  "'404': is no error that a worker answers with itself; those are 400, 408" },
	{ "an error page for what is no error", LISTEN "  http: {error_page: {status: 301, file: /a}}\n", 4,
	  "'301': is no error" },
	{ "an error page for a class", LISTEN "  http: {error_page: {status: 5xx, file: /a}}\n", 4,
	  "'5xx': is no" },
	{ "two error pages for one status",
	  LISTEN "  http:\n    error_page:\n    - {status: [502, 503], file: /a}\n    - {status: 503, file: /b}\n", 7,
	  "'503': there is an error page for 503 already" },
	{ "an error page without a file", LISTEN "  http: {error_page: [{status: 503}]}\n", 4,
	  "'file': it is missing in services[].http.error_page[]" },
	{ "an error page without a status", LISTEN "  http: {error_page: {file: /a}}\n", 4,
	  "'status': it is missing in services[].http.error_page[]; add it: a status, as 503" },
	{ "an error page from nowhere", LISTEN "  http: {error_page: {status: 503, file: e.html}}\n", 4,
	  "'e.html': the path 'e.html' must begin with '/'" },
	{ "an error page of a list of nothing", LISTEN "  http: {error_page: {status: [], file: /a}}\n", 4,
	  "'status': the list is empty" },
	{ "an affinity that does not exist", LISTEN "  http: {affinity: ip}\n", 4,
	  "'ip': the affinity 'ip' is not known" },
	{ "a cookie, and hashed by the port", LISTEN "  hash: tuple\n  http: {affinity: cookie}\n", 4,
	  "'tuple': affinity: cookie hashes what stays the same" },
	{ "a cookie by which nobody comes back", LISTEN "  balance: least\n  http: {affinity: cookie}\n", 4,
	  "'least': with it clients do not come back" },
	{ "routes without http", LISTEN "  routes: [{path: /a, service: b}]\n- {name: b, listen: [\"*:81\"]}\n", 4,
	  "'routes': paths are known where HTTP is parsed: add http" },
	{ "a route to nobody", LISTEN "  http: {}\n  routes:\n  - {path: /a, service: x9}\n", 6,
	  "'x9': no service has this name" },
	{ "a route to nearly somebody",
	  LISTEN "  http: {}\n  routes:\n  - {path: /a, service: streamr}\n- {name: streamer, listen: [\"*:81\"]}\n", 6,
	  "did you mean 'streamer'?" },
	{ "a route to where it begins", LISTEN "  http: {}\n  routes: [{path: /a, service: a}]\n", 5,
	  "'a': the route leads to the service that it is in" },
	{ "a route to a redirection",
	  LISTEN "  http: {}\n  routes: [{path: /a, service: b}]\n- {name: b, listen: [\"*:81\"], redirect: https}\n",
	  5, "'b': that service has redirect" },
	{ "a route without a path", LISTEN "  http: {}\n  routes:\n  - service: b\n- {name: b, listen: [\"*:81\"]}\n",
	  6, "'path': it is missing in services[].routes[]" },
	{ "a route whose path begins otherwise",
	  LISTEN "  http: {}\n  routes:\n  - {path: websocket, service: b}\n- {name: b, listen: [\"*:81\"]}\n", 6,
	  "'websocket': is no path: it begins with '/'" },
	{ "a route for a query",
	  LISTEN "  http: {}\n  routes:\n  - {path: \"/a?b\", service: b}\n- {name: b, listen: [\"*:81\"]}\n", 6,
	  "'/a?b': is no path" },
	{ "a route whose path ends a line",
	  LISTEN "  http: {}\n  routes:\n  - {path: \"/a\\n\", service: b}\n- {name: b, listen: [\"*:81\"]}\n", 6,
	  "'/a\\x0a': is no path" },
	{ "a route for everything",
	  LISTEN "  http: {}\n  routes:\n  - {path: /, service: b}\n- {name: b, listen: [\"*:81\"]}\n", 6,
	  "'/': ends with '/'; a route is for a path and all below it" },
	{ "two routes for one path",
	  LISTEN "  http: {}\n  routes:\n  - {path: /a, service: b}\n  - {path: /a, service: b}\n- {name: b, listen: "
		 "[\"*:81\"]}\n",
	  7, "'/a': there are two routes for '/a'" },
	{ "a certificate without a key", LISTEN "  tls:\n    certificate: /a\n", 5,
	  "'key': it is missing in services[].tls[]" },
	{ "a certificate by a path from nowhere", LISTEN "  tls: {certificate: a.pem, key: /b}\n", 4,
	  "'a.pem': the path 'a.pem' must begin with '/'" },
	{ "a number for a certificate", LISTEN "  tls: 1\n", 4, "'tls': " },
	{ "more workers than there can be", "services: []\nagent: {workers: 65}\n", 2, "'65': it is auto or 1 to 64" },
	{ "a guard", "services: []\nguard: {deny: [\"203.0.113.0/24\"]}\n", 2, "'guard': rcxlb " },
	{ "a mapping for a list", "services: {name: a}\n", 1, "'services': it is a mapping here; it must be a list" },
	{ "a text for a list", "services:\n- name: a\n  listen: \"*:80\"\n", 3,
	  "'listen': it is a single value here; it must be a list, as [\"*:80\"]" },
	{ "a list for a text", LISTEN "  hash: [tuple]\n", 4, "'hash': it is a list here; it must be a single value" },
	{ "a text for a mapping", LISTEN "  health: http\n", 4, "'health': it is a single value here" },
	{ "a number for a service", "services: [7]\n", 1, "'services': an entry is a single value here" },
	{ "a list for a backend", LISTEN "  backends: [[]]\n", 4, "as {address: VALUE}" },
	{ "a backend that is nothing", LISTEN "  backends:\n  -\n", 5, "an entry is empty here" },
	{ "a key without a value", LISTEN "  hash:\n", 4, "'hash': there is no value" },
	{ "a null", LISTEN "  balance: null\n", 4, "'balance': there is no value" },
	{ "an empty list of certificates", LISTEN "  tls: []\n", 4,
	  "'tls': the list is empty; give it an entry, or take the key out" },
	{ "an empty list of pages", LISTEN "  http: {error_page: []}\n", 4, "'error_page': the list is empty" },
	{ "an empty list of addresses", "services:\n- name: a\n  listen: []\n", 3, "the list is empty" },
	{ "an address that is nothing", "services:\n- name: a\n  listen:\n  -\n", 4,
	  "'listen': an entry of the list is empty; it must be a text, in quotes when it has '*' or '[' in it" },
	{ "an empty address", "services:\n- name: a\n  listen: [\"\"]\n", 3,
	  "'listen': an entry of the list is empty; it must be a text, in quotes when it has '*' or '[' in it" },
	{ "a list for an address", "services:\n- name: a\n  listen: [[]]\n", 3,
	  "'listen': an entry of the list is a list; it must be a text, in quotes when it has '*' or '[' in it" },
	{ "a mapping for an address", "services:\n- name: a\n  listen:\n  - a: b\n", 4,
	  "'listen': an entry of the list is a mapping; it must be a text, in quotes when it has '*' or '[' in it" },
	{ "a service without a name", "services:\n- listen: [\"*:80\"]\n", 2,
	  "'name': it is missing in services[]; add it" },
	{ "a service without an address", "services:\n- name: a\n", 2, "'listen': it is missing in services[]" },
	{ "a backend without an address", LISTEN "  backends:\n  - weight: 2\n", 5,
	  "'address': it is missing in services[]" },
	{ "a name with a blank", "services:\n- name: a b\n  listen: [\"*:80\"]\n", 2, "'a b': the service name" },
	{ "a name that is too long", "services:\n- name: abcdefghijklmnopqrstuvwxyz0123456\n  listen: [\"*:80\"]\n", 2,
	  "must have 1 to 31 characters" },
	{ "a name twice", LISTEN "- name: a\n  listen: [\"*:81\"]\n", 4,
	  "'a': a service in line 2 has this name already" },
	{ "no port", "services:\n- name: a\n  listen: [\"192.0.2.1\"]\n", 3, "'192.0.2.1': is not ADDRESS:PORT" },
	{ "port 0", "services:\n- name: a\n  listen: [\"*:0\"]\n", 3, "'*:0': " },
	{ "a host name", "services:\n- name: a\n  listen: [\"localhost:80\"]\n", 3, "'localhost:80': " },
	{ "IPv6 without brackets", "services:\n- name: a\n  listen: [\"2001:db8::1:80\"]\n", 3, "'2001:db8::1:80': " },
	{ "IPv6 without quotes", "services:\n- name: a\n  listen: [[::]:80]\n", 3,
	  "an IPv6 address is written in quotes" },
	{ "an address twice in a service", "services:\n- name: a\n  listen: [\"*:80\",\n    \"0.0.0.0:80\"]\n", 4,
	  "twice" },
	{ "two services on one address", LISTEN "- name: b\n  listen:\n  - \"*:81\"\n  - \"0.0.0.0:80\"\n", 7,
	  "'0.0.0.0:80': the service 'a' in line 2 listens there already" },
	{ "two services on every address", LISTEN "- name: b\n  listen: [\"*:80\"]\n", 5, "'*:80': the service 'a'" },
	{ "a hash that does not exist", LISTEN "  hash: md5\n", 4, "'md5': the hash 'md5' is not known; it is tuple" },
	{ "a rule that does not exist", LISTEN "  balance: random\n", 4, "it is consistent, bounded or least" },
	{ "a factor without effect", LISTEN "  load_factor: 1\n", 4,
	  "'1': load_factor is a factor from 1.01 to 100.00" },
	{ "a factor of three digits", LISTEN "  load_factor: 1.255\n", 4, "'1.255': load_factor is a factor" },
	{ "a time with a unit", LISTEN "  slow_start_ms: 5s\n", 4, "'5s': slow_start_ms is a number of milliseconds" },
	{ "a negative time", LISTEN "  blocked_ms: -1\n", 4, "'-1': blocked_ms is a number" },
	{ "a weight of 0", LISTEN "  backends:\n  - {address: 127.0.0.1:1, weight: 0}\n", 5,
	  "'0': weight is a number from 1 to 256" },
	{ "a weight that YAML reads otherwise", LISTEN "  backends:\n  - {address: 127.0.0.1:1, weight: 010}\n", 5,
	  "'010': a number that begins with 0 can be meant as an octal one; write 10" },
	{ "many zeros in front", LISTEN "  backends:\n  - {address: 127.0.0.1:1, weight: 0008}\n", 5,
	  "'0008': a number that begins with 0 can be meant as an octal one; write 8" },
	{ "nothing but zeros", LISTEN "  slow_start_ms: 00\n", 4,
	  "'00': a number that begins with 0 can be meant as an octal one; write 0" },
	{ "a zero in front of a factor", LISTEN "  load_factor: 01.25\n", 4,
	  "'01.25': a number that begins with 0 can be meant as an octal one; write 1.25" },
	{ "a zero in front of workers", "services: []\nagent: {workers: 04}\n", 2,
	  "'04': a number that begins with 0 can be meant as an octal one; write 4" },
	{ "a zero in front of a status", LISTEN "  health: {type: http, status: 0200-299}\n", 4,
	  "'0200-299': a number that begins with 0 can be meant as an octal one; write 200-299" },
	{ "a zero in front of a page's status", LISTEN "  http: {error_page: {status: 0502, file: /a}}\n", 4,
	  "'0502': a number that begins with 0 can be meant as an octal one; write 502" },
	{ "zeros and something else", LISTEN "  backends:\n  - {address: 127.0.0.1:1, weight: 0x10}\n", 5,
	  "'0x10': weight is a number from 1 to 256" },
	{ "a weight that is no number", LISTEN "  backends:\n  - {address: 127.0.0.1:1, weight: heavy}\n", 5,
	  "'heavy': weight" },
	{ "more than 32 bits", LISTEN "  backends:\n  - {address: 127.0.0.1:1, max_connections: 4294967296}\n", 5,
	  "4294967295" },
	{ "yes for true", LISTEN "  backends:\n  - {address: 127.0.0.1:1, draining: yes}\n", 5,
	  "'yes': draining is true or false" },
	{ "a backend on every address", LISTEN "  backends:\n  - 0.0.0.0:3001\n", 5, "name the one address" },
	{ "a range that ends before it begins", LISTEN "  backends:\n  - 127.0.0.1:3010-3001\n", 5,
	  "the range ends before it begins" },
	{ "a range without an end", LISTEN "  backends:\n  - 127.0.0.1:3001-\n", 5, "'127.0.0.1:3001-': " },
	{ "a range past the last port", LISTEN "  backends:\n  - 127.0.0.1:65535-65536\n", 5, "65536" },
	{ "a backend twice", LISTEN "  backends:\n  - 127.0.0.1:1\n  - 127.0.0.1:1\n", 6,
	  "'127.0.0.1:1': line 5 has this backend already" },
	{ "ranges that overlap", LISTEN "  backends:\n  - 127.0.0.1:1-5\n  - 127.0.0.1:5-9\n", 6,
	  "'127.0.0.1:5': line 5" },
	{ "more backends than there can be", LISTEN "  backends:\n  - 127.0.0.1:1-1025\n", 5,
	  "no room for 127.0.0.1:1025" },
	{ "one instance with two weights",
	  LISTEN "  backends: [127.0.0.1:1]\n- name: b\n  listen: [\"*:81\"]\n  backends: [{address: 127.0.0.1:1, "
		 "weight: 2}]\n",
	  7, "a backend of another service in line 4, and the same instance" },
	{ "backends and backends_of",
	  LISTEN "- name: b\n  listen: [\"*:81\"]\n  backends_of: a\n  backends: [127.0.0.1:1]\n", 7,
	  "take one of the two out" },
	{ "backends_of of nobody", LISTEN "  backends_of: x9\n", 4, "'x9': no service has this name" },
	{ "backends_of of nearly somebody",
	  LISTEN
	  "- name: rocketchat\n  listen: [\"*:81\"]\n- name: c\n  listen: [\"*:82\"]\n  backends_of: rocketcat\n",
	  8, "did you mean 'rocketchat'?" },
	{ "backends_of of itself", LISTEN "  backends_of: a\n", 4, "in a circle" },
	{ "health beside backends_of",
	  LISTEN "- name: b\n  listen: [\"*:81\"]\n  backends_of: a\n  health: {type: tcp}\n", 7, "'health': " },
	{ "one instance with two checks",
	  LISTEN "  backends: [127.0.0.1:1]\n- name: b\n  listen: [\"*:81\"]\n  backends: [127.0.0.1:1]\n  health: "
		 "{type: tcp}\n",
	  8, "'127.0.0.1:1': it is a backend of the service 'a' too, which checks it differently" },
	{ "a check that does not exist", LISTEN "  health: {type: ping}\n", 4,
	  "'ping': the check 'ping' is not known" },
	{ "a path without a slash", LISTEN "  health: {type: http, path: readyz}\n", 4, "'readyz': is no path" },
	{ "a path with a line's end", LISTEN "  health: {type: http, path: \"/\\r\\nHost: x\"}\n", 4,
	  "'/\\x0d\\x0aHost: x': " },
	{ "a path that is too long",
	  LISTEN "  health:\n    type: http\n    path: "
		 "/123456789012345678901234567890123456789012345678901234567890123456789012"
		 "34567890123456789012345678901234567890123456789012345678\n",
	  6, "it may have 1 to 127" },
	{ "a host with a blank", LISTEN "  health: {type: http, host: a b}\n", 4, "'a b': is no host" },
	{ "a status beyond HTTP", LISTEN "  health: {type: http, status: 600}\n", 4, "'600': is no HTTP status" },
	{ "a status with something behind it", LISTEN "  health: {type: http, status: 0000200x}\n", 4,
	  "'0000200x': is no HTTP status" },
	{ "a status range backwards", LISTEN "  health: {type: http, status: 399-200}\n", 4, "'399-200': " },
	{ "a list of statuses", LISTEN "  health: {type: http, status: [200]}\n", 4, "'status': it is a list here" },
	{ "a body with a line's end", LISTEN "  health: {type: http, body: \"a\\nb\"}\n", 4, "'a\\x0ab': " },
	{ "a path for no http", LISTEN "  health:\n    type: tcp\n    path: /x\n", 6,
	  "a path needs the type http, this is of type tcp" },
	{ "a path without a type", LISTEN "  health: {path: /x}\n", 4, "a path needs the type http" },
	{ "a host for tcp", LISTEN "  health: {type: tcp, host: a}\n", 4, "a host needs the type http or auto" },
	{ "a time-out longer than the interval", LISTEN "  health:\n    interval_ms: 500\n    timeout_ms: 600\n", 6,
	  "'timeout_ms': a health check's time-out of 600 ms is longer than its interval of 500 ms" },
	{ "an interval shorter than the usual time-out", LISTEN "  health: {interval_ms: 500}\n", 4,
	  "make the interval longer" },
	{ "no checks in a row", LISTEN "  health: {rise: 0}\n", 4, "'0': rise is a number from 1 to 1000" },
	{ "metrics on a host name", "services: []\nmetrics: {listen: \"localhost:9465\"}\n", 2, "'localhost:9465': " },
	{ "metrics that are off", "services: []\nmetrics: off\n", 2, "'metrics': it is a single value here" },
	{ "a short hash key", "services: []\nhash_key: abc\n", 2, "'abc': a hash key is 32 hexadecimal digits" },
	{ "a hash key of zeros", "services: []\nhash_key: \"00000000000000000000000000000000\"\n", 2,
	  "everybody can guess" },
	{ "a mode that does not exist", "services: []\nxdp: turbo\n", 2, "'turbo': the XDP mode 'turbo' is not known" },
	{ "interfaces without a list", "services: []\ninterfaces: eth0\n", 2,
	  "'interfaces': it is a single value here" },
	{ "an interface twice", "services: []\ninterfaces: [eth0,\n  eth0]\n", 3,
	  "'eth0': the interface 'eth0' is given twice" },
	{ "an interface with a long name", "services: []\ninterfaces: [abcdefghijklmnop]\n", 2,
	  "cannot be the name of an interface" },
	{ "a mode of one interface that does not exist", "services: []\ninterfaces: [{name: eth0, xdp: on}]\n", 2,
	  "'on': " },
};

static void every_mistake_has_its_line_and_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(wrong); i++) {
		int err = read_text(wrong[i].file);

		check(err == -EBADMSG, wrong[i].what);
		for (uint32_t k = 1; k < mistakes.count; k++)
			print_error("%s: also: %u: %s\n", wrong[i].what, mistakes.entry[k].line,
				    mistakes.entry[k].text);
		if (mistakes.entry[0].line != wrong[i].line || !strstr(mistakes.entry[0].text, wrong[i].says))
			print_error("%u: %s\n", mistakes.entry[0].line, mistakes.entry[0].text);
		check(mistakes.count == 1, wrong[i].what);
		check(mistakes.entry[0].line == wrong[i].line, wrong[i].what);
		check(strstr(mistakes.entry[0].text, wrong[i].says), wrong[i].what);
		check(mistakes.entry[0].text[0] == '\'', wrong[i].what);
	}
}

/* A circle is the mistake of each that is in it. */
static void services_in_a_circle(void **state)
{
	(void)state;
	assert_int_equal(read_text("services:\n"
				   "- {name: a, listen: [\"*:80\"], backends_of: b}\n"
				   "- {name: b, listen: [\"*:81\"], backends_of: c}\n"
				   "- {name: c, listen: [\"*:82\"], backends_of: a}\n"),
			 -EBADMSG);
	assert_int_equal(mistakes.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(mistakes.entry[i].line, i + 2);
		assert_non_null(strstr(mistakes.entry[i].text, "in a circle"));
	}
}

static void all_mistakes_are_told_in_the_order_of_lines(void **state)
{
	static const uint32_t lines[] = { 1, 3, 4, 5, 7, 8, 10 };

	(void)state;
	assert_int_equal(
	    read_text("servces: 1\nservices:\n- name: a b\n  listen: [nonsense]\n  hash: md5\n  backends:\n"
		      "  - {address: 127.0.0.1:0}\n  - {address: 127.0.0.1:1, wight: 1}\n- name: b\n"
		      "  listen: [\"*:80\", \"*:99999\"]\n"),
	    -EBADMSG);
	assert_int_equal(mistakes.count, LENGTH(lines));
	for (size_t i = 0; i < LENGTH(lines); i++)
		assert_int_equal(mistakes.entry[i].line, lines[i]);
	assert_false(mistakes.more);
}

static void more_than_fifty_mistakes_are_cut(void **state)
{
	static char text[8000] = "services: []\n";

	(void)state;
	for (int i = 0; i < 300; i++)
		sprintf(text + strlen(text), "unknown%d: x\n", i);
	assert_int_equal(read_text(text), -EBADMSG);
	assert_int_equal(mistakes.count, MISTAKES_MAX);
	assert_true(mistakes.more);
}

/* Nine lists, each of nine of the former: YAML's bomb. And other ways to want too much. */
static void what_is_too_big_is_refused(void **state)
{
	static char text[TREE_MOST_BYTES + 2];
	char *to = text;

	(void)state;
	to += sprintf(to, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 9; i++)
		to += sprintf(to, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
			      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	assert_int_equal(read_text(text), -EBADMSG);
	assert_non_null(strstr(mistakes.entry[0].text, "more than 200000 things"));

	memset(text, '[', 500);
	text[500] = 0;
	assert_int_equal(read_text(text), -EBADMSG);
	assert_non_null(strstr(mistakes.entry[0].text, "nested more than 16 deep"));

	memset(text, '#', TREE_MOST_BYTES + 1);
	text[TREE_MOST_BYTES + 1] = 0;
	assert_int_equal(read_text(text), -EBADMSG);
	assert_non_null(strstr(mistakes.entry[0].text, "at most 1048576"));

	to = text + sprintf(text, "services: [");
	for (int i = 0; i < 150000; i++)
		to += sprintf(to, "x, ");
	sprintf(to, "x]\n");
	assert_int_equal(read_text(text), -EBADMSG);
	assert_int_equal(mistakes.count, 1); /* all alike, in one line */

	to = text + sprintf(text, "services:\n");
	for (int i = 0; i < 65; i++)
		to += sprintf(to, "- {name: s%d, listen: [\"*:%d\"]}\n", i, 1000 + i);
	assert_int_equal(read_text(text), -EBADMSG);
	assert_int_equal(mistakes.count, 1);
	assert_int_equal(mistakes.entry[0].line, 66);
	assert_non_null(strstr(mistakes.entry[0].text, "more than 64 services"));

	to = text + sprintf(text, "services: []\ninterfaces:\n");
	for (int i = 0; i < 65; i++)
		to += sprintf(to, "- eth%d\n", i);
	assert_int_equal(read_text(text), -EBADMSG);
	assert_non_null(strstr(mistakes.entry[0].text, "more than 64 interfaces"));
}

static void a_null_byte_is_a_mistake(void **state)
{
	static const char text[] = "services: []\nxdp: \"auto\\0\"\n";

	(void)state;
	assert_int_equal(read_text(text), -EBADMSG);
	assert_int_equal(mistakes.entry[0].line, 2);
	assert_non_null(strstr(mistakes.entry[0].text, "a byte of value 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_has_its_line_and_sentence),
		cmocka_unit_test(services_in_a_circle),
		cmocka_unit_test(all_mistakes_are_told_in_the_order_of_lines),
		cmocka_unit_test(more_than_fifty_mistakes_are_cut),
		cmocka_unit_test(what_is_too_big_is_refused),
		cmocka_unit_test(a_null_byte_is_a_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
