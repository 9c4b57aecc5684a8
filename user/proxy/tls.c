// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/tls.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/keylog.h"
#include "proxy/tls_names.h"

#define CIPHERS_12                                                                                                     \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                     \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS	      "X25519:P-256:P-384"
#define GROUPS_HYBRID "X25519MLKEM768:" GROUPS /* OpenSSL 3.5 and later */

#define NONE (-1)

/* One certificate of each kind that may stand beside each other, by their index; NONE where there is none. */
struct choice {
	int identity[IDENTITY_KINDS];
	SSL_CTX *ssl;
};

struct named {
	char *name;
	unsigned int choice;
};

struct tls_context {
	unsigned int references;
	const struct ticket_keys *keys;
	EVP_CIPHER *ticket_cipher;
	struct identity *identities;
	unsigned int identities_count;
	struct choice *choices; /* the first is the default */
	unsigned int choices_count;
	struct named *names; /* sorted, each once */
	unsigned int names_count;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static const struct named *find_name(const struct tls_context *context, const char *name)
{
	struct named key = { .name = (char *)name };

	return bsearch(&key, context->names, context->names_count, sizeof(key), compare_names);
}

/* --- Callbacks of a handshake --- */

static struct tls_context *context_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static unsigned int read_16(const unsigned char *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

/*
 * The name that the client asks for: ServerNameList of RFC 6066 section 3, whose one entry is a host_name. False when
 * there is none, or it is no DNS name.
 */
static bool asked_name(SSL *ssl, char to[static TLS_NAME_MAX])
{
	const unsigned char *list;
	size_t size;

	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &list, &size))
		return false;
	return size > 5 && read_16(list) == size - 2 && list[2] == TLSEXT_NAMETYPE_host_name &&
	       read_16(list + 3) == size - 5 && tls_name_normalize((const char *)list + 5, size - 5, false, to);
}

static unsigned int choice_for(const struct tls_context *context, const char *name)
{
	char wildcard[TLS_NAME_MAX];
	const struct named *found = find_name(context, name);

	if (!found && tls_name_wildcard(name, wildcard))
		found = find_name(context, wildcard);
	return found ? found->choice : 0;
}

/*
 * Here and not when OpenSSL is through with server_name, because a session is looked for before that: one that began
 * with another certificate must not be resumed (RFC 6066 section 3). A name that nobody has is no error: the default
 * certificate lets the client judge.
 */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_context *context = context_of(ssl);
	char name[TLS_NAME_MAX];
	unsigned int choice = asked_name(ssl, name) ? choice_for(context, name) : 0;

	(void)arg;
	if (choice && !SSL_set_SSL_CTX(ssl, context->choices[choice].ssl)) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* RFC 7301 section 3.2: a client that offers protocols, but not ours, is refused rather than misunderstood. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
		   unsigned int in_size, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_size, ours, sizeof(ours) - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof(key->mac)),
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_END,
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants it: 0 no ticket (or a full handshake), 2 renew, -1 error. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		     int encrypt)
{
	const struct tls_context *context = context_of(ssl);
	const struct ticket_key *key = context->keys->keys;
	bool newest = true;

	if (encrypt) {
		if (!context->keys->count || RAND_bytes(iv, EVP_CIPHER_get_iv_length(context->ticket_cipher)) <= 0)
			return context->keys->count ? -1 : 0;
		memcpy(name, key->name, TICKET_NAME_SIZE);
	} else {
		key = ticket_keys_find(context->keys, name, &newest);
		if (!key)
			return 0;
	}
	if (!EVP_CipherInit_ex2(cipher, context->ticket_cipher, key->cipher, iv, encrypt, NULL) || !set_mac(mac, key))
		return -1;
	return newest ? 1 : 2;
}

/* --- Making a context --- */

static bool use_identity(SSL_CTX *ssl, const struct identity *identity)
{
	return SSL_CTX_use_cert_and_key(ssl, identity->leaf, identity->key, identity->chain, 1);
}

/* Sessions belong to a service and to what it shows there: the name is that of the choice's first certificate. */
static void set_session_id_context(SSL_CTX *ssl, const char *service, const char *name)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	_Static_assert(sizeof(digest) <= SSL_MAX_SID_CTX_LENGTH, "a session id context");
	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) && EVP_DigestUpdate(md, service, strlen(service) + 1) &&
	    EVP_DigestUpdate(md, name, strlen(name)) && EVP_DigestFinal_ex(md, digest, NULL))
		SSL_CTX_set_session_id_context(ssl, digest, sizeof(digest));
	EVP_MD_CTX_free(md);
}

static const char *name_of(const struct tls_context *context, const struct choice *choice)
{
	for (int kind = 0; kind < IDENTITY_KINDS; kind++)
		if (choice->identity[kind] != NONE && context->identities[choice->identity[kind]].names_count)
			return context->identities[choice->identity[kind]].names[0];
	return "";
}

static bool set_parameters(SSL_CTX *ssl)
{
	bool groups = SSL_CTX_set1_groups_list(ssl, GROUPS_HYBRID) || SSL_CTX_set1_groups_list(ssl, GROUPS);

	ERR_clear_error();
	return groups && SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) &&
	       SSL_CTX_set_cipher_list(ssl, CIPHERS_12) && SSL_CTX_set_ciphersuites(ssl, CIPHERS_13) &&
	       SSL_CTX_set_max_early_data(ssl, 0) && SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
}

static SSL_CTX *make_ssl(struct tls_context *context, bool ktls)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (!ssl || !set_parameters(ssl)) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	SSL_CTX_set_app_data(ssl, context);
	/* Ours is the order of the ciphers, but who has no AES in hardware and says so gets ChaCha20. */
	/* An end without close_notify is an end of file as on every other path: an error would end our direction, too.
	 */
	SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
				     (ktls ? SSL_OP_ENABLE_KTLS : 0));
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	/* With read-ahead OpenSSL may hold bytes that the kernel should have had; without, it reads each header alone.
	 */
	SSL_CTX_set_read_ahead(ssl, !ktls);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ssl, TLS_SESSION_SECONDS);
	SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
	if (ktls)
		keylog_enable(ssl);
	return ssl;
}

/* The first identity of the kind that has exactly this name, else the first with a wildcard for it; or NONE. */
static int find_identity(const struct tls_context *context, enum identity_kind kind, const char *name)
{
	int wildcard = NONE;

	for (unsigned int i = 0; i < context->identities_count; i++) {
		const struct identity *identity = &context->identities[i];

		for (unsigned int n = 0; identity->kind == kind && n < identity->names_count; n++) {
			if (strcmp(identity->names[n], name) == 0)
				return (int)i;
			if (wildcard == NONE && tls_name_covers(identity->names[n], name))
				wildcard = (int)i;
		}
	}
	return wildcard;
}

/* The index of that choice, made if nobody has it yet; or -errno. */
static int add_choice(struct tls_context *context, const struct tls_material *material, bool ktls,
		      const struct choice *wanted)
{
	struct choice *choices;
	SSL_CTX *ssl;

	for (unsigned int c = 0; c < context->choices_count; c++)
		if (memcmp(context->choices[c].identity, wanted->identity, sizeof(wanted->identity)) == 0)
			return (int)c;
	choices = realloc(context->choices, (context->choices_count + 1) * sizeof(*choices));
	if (!choices)
		return -ENOMEM;
	context->choices = choices;
	ssl = make_ssl(context, ktls);
	if (!ssl)
		return -ENOMEM;
	set_session_id_context(ssl, material->service, name_of(context, wanted));
	choices[context->choices_count] = *wanted;
	choices[context->choices_count++].ssl = ssl;
	for (int kind = 0; kind < IDENTITY_KINDS; kind++)
		if (wanted->identity[kind] != NONE && !use_identity(ssl, &context->identities[wanted->identity[kind]]))
			return -EINVAL;
	return (int)context->choices_count - 1;
}

/* The first identity, and of each other kind the one for its first name. */
static struct choice default_choice(const struct tls_context *context)
{
	const struct identity *first = &context->identities[0];
	struct choice choice = { .ssl = NULL };

	for (int kind = 0; kind < IDENTITY_KINDS; kind++) {
		if (kind == (int)first->kind)
			choice.identity[kind] = 0;
		else
			choice.identity[kind] =
			    first->names_count ? find_identity(context, kind, first->names[0]) : NONE;
	}
	return choice;
}

static int add_name(struct tls_context *context, const struct tls_material *material, bool ktls, char *name)
{
	struct choice choice = { .ssl = NULL };
	int made;

	for (int kind = 0; kind < IDENTITY_KINDS; kind++)
		choice.identity[kind] = find_identity(context, kind, name);
	made = add_choice(context, material, ktls, &choice);
	if (made < 0)
		return made;
	context->names[context->names_count++] = (struct named){ name, (unsigned int)made };
	return 0;
}

/* Every name once, sorted. The strings are the identities'. */
static int index_names(struct tls_context *context, const struct tls_material *material, bool ktls)
{
	unsigned int total = 0, unique = 0;
	int err = 0;

	for (unsigned int i = 0; i < context->identities_count; i++)
		total += context->identities[i].names_count;
	context->names = calloc(total + 1, sizeof(*context->names));
	if (!context->names)
		return -ENOMEM;
	for (unsigned int i = 0; i < context->identities_count; i++)
		for (unsigned int n = 0; !err && n < context->identities[i].names_count; n++)
			err = add_name(context, material, ktls, context->identities[i].names[n]);
	qsort(context->names, context->names_count, sizeof(*context->names), compare_names);
	for (unsigned int n = 0; n < context->names_count; n++)
		if (!unique || compare_names(&context->names[unique - 1], &context->names[n]) != 0)
			context->names[unique++] = context->names[n];
	context->names_count = unique;
	return err;
}

static int parse_identities(struct tls_context *context, const struct tls_material *material, struct error *warning,
			    struct error *error)
{
	context->identities = calloc(material->count, sizeof(*context->identities));
	if (!context->identities)
		return failed(error, -ENOMEM, "service %s: no memory for its certificates", material->service);
	for (unsigned int i = 0; i < material->count; i++) {
		struct error said;
		int err = identity_parse(&material->identities[i], &context->identities[i], &said, error);

		if (err)
			return err;
		context->identities_count++;
		if (!warning->text[0])
			*warning = said;
	}
	return 0;
}

static int fill(struct tls_context *context, const struct tls_material *material, bool ktls, struct error *warning,
		struct error *error)
{
	struct choice first;
	int err = parse_identities(context, material, warning, error);

	if (err)
		return err;
	context->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	first = default_choice(context);
	err = context->ticket_cipher ? add_choice(context, material, ktls, &first) : -ENOMEM;
	if (err >= 0)
		err = index_names(context, material, ktls);
	if (err < 0) {
		const char *why = ERR_reason_error_string(ERR_peek_last_error());

		error_set(error, "service %s: OpenSSL does not take its certificates: %s", material->service,
			  why ? why : strerror(-err));
		ERR_clear_error();
	}
	return err < 0 ? err : 0;
}

static void destroy(struct tls_context *context)
{
	for (unsigned int c = 0; c < context->choices_count; c++) {
		SSL_CTX_set_app_data(context->choices[c].ssl, NULL);
		SSL_CTX_free(context->choices[c].ssl);
	}
	for (unsigned int i = 0; i < context->identities_count; i++)
		identity_free(&context->identities[i]);
	EVP_CIPHER_free(context->ticket_cipher);
	free(context->identities);
	free(context->choices);
	free(context->names);
	free(context);
}

int tls_context_new(const struct tls_material *material, const struct ticket_keys *keys, bool ktls,
		    struct tls_context **ret, struct error *warning, struct error *error)
{
	struct tls_context *context;
	int err;

	warning->text[0] = 0;
	if (!material->count)
		return failed(error, -EINVAL, "service %s has no certificate: it needs one for TLS", material->service);
	err = ticket_keys_check(keys, error);
	if (err)
		return err;
	context = calloc(1, sizeof(*context));
	if (!context)
		return failed(error, -ENOMEM, "service %s: no memory for TLS", material->service);
	context->references = 1;
	context->keys = keys;
	err = fill(context, material, ktls, warning, error);
	if (err)
		destroy(context);
	else
		*ret = context;
	return err;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	context->references++;
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (context && --context->references == 0)
		destroy(context);
}

SSL *tls_accept(struct tls_context *context, int fd)
{
	SSL *ssl = SSL_new(context->choices[0].ssl);

	if (!ssl || !SSL_set_fd(ssl, fd)) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_accept_state(ssl);
	if (!context->keys->count) {
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
		SSL_set_num_tickets(ssl, 0);
	}
	return ssl;
}
