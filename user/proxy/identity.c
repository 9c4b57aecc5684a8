// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/identity.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/tls_names.h"

/* What OpenSSL says went wrong, in its words; empties its queue. */
static const char *openssl_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return reason ? reason : "no reason given";
}

static BIO *open_memory(const char *bytes, size_t size)
{
	return size <= INT_MAX ? BIO_new_mem_buf(bytes, (int)size) : NULL;
}

/* Of a key that is protected by a passphrase: nobody is there to type it. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)data = true;
	return -1;
}

static int parse_chain(const struct identity_pem *pem, struct identity *ret, struct error *error)
{
	BIO *bio = open_memory(pem->chain, pem->chain_size);
	X509 *certificate;
	unsigned long code;

	ret->chain = sk_X509_new_null();
	if (!bio || !ret->chain) {
		BIO_free(bio);
		return failed(error, -ENOMEM, "certificate %s: no memory", pem->name);
	}
	ret->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	while (ret->leaf && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (!sk_X509_push(ret->chain, certificate)) {
			X509_free(certificate);
			BIO_free(bio);
			return failed(error, -ENOMEM, "certificate %s: no memory", pem->name);
		}
	}
	BIO_free(bio);
	/* The end of the file shows as "no start line": anything else is damage. */
	code = ERR_peek_last_error();
	if (ret->leaf && ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	if (!ret->leaf && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return failed(error, -EINVAL,
			      "certificate %s has no CERTIFICATE block: give the chain as PEM, the server's own first",
			      pem->name);
	}
	return failed(error, -EINVAL, "certificate %s is damaged (%s): give the chain as PEM, the server's own first",
		      pem->name, openssl_reason());
}

static int parse_key(const struct identity_pem *pem, struct identity *ret, struct error *error)
{
	BIO *bio = open_memory(pem->key, pem->key_size);
	bool protected = false;

	if (!bio)
		return failed(error, -ENOMEM, "key %s: no memory", pem->key_name);
	ret->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &protected);
	BIO_free(bio);
	if (ret->key)
		return 0;
	if (protected) {
		ERR_clear_error();
		return failed(
		    error, -EINVAL,
		    "key %s is protected by a passphrase: take it off with openssl pkey, the file's mode protects it",
		    pem->key_name);
	}
	return failed(error, -EINVAL, "key %s holds no private key in PEM that can be read (%s)", pem->key_name,
		      openssl_reason());
}

static int set_kind(const struct identity_pem *pem, struct identity *ret, struct error *error)
{
	switch (EVP_PKEY_get_base_id(ret->key)) {
	case EVP_PKEY_RSA:
		ret->kind = IDENTITY_RSA;
		if (EVP_PKEY_get_bits(ret->key) < 2048)
			return failed(error, -EINVAL, "key %s has %d bits: an RSA key needs 2048 at least",
				      pem->key_name, EVP_PKEY_get_bits(ret->key));
		return 0;
	case EVP_PKEY_EC:
		ret->kind = IDENTITY_ECDSA;
		return 0;
	case EVP_PKEY_ED25519:
		ret->kind = IDENTITY_ED25519;
		return 0;
	default:
		return failed(error, -EINVAL, "key %s is of a kind that is not supported: use RSA, EC or Ed25519",
			      pem->key_name);
	}
}

static int add_name(struct identity *identity, const char *name, size_t length)
{
	char normal[TLS_NAME_MAX];
	char **names;

	if (!tls_name_normalize(name, length, true, normal))
		return 0;
	names = realloc(identity->names, (identity->names_count + 1) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	identity->names = names;
	names[identity->names_count] = strdup(normal);
	if (!names[identity->names_count])
		return -ENOMEM;
	identity->names_count++;
	return 0;
}

static int add_common_name(struct identity *identity)
{
	X509_NAME *subject = X509_get_subject_name(identity->leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *value;

	if (at < 0)
		return 0;
	value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	return add_name(identity, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
}

/* The DNS names of subjectAltName; the common name counts where there is none (RFC 6125 section 6.4.4). */
static int add_names(struct identity *identity)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(identity->leaf, NID_subject_alt_name, NULL, NULL);
	int err = 0;

	for (int i = 0; !err && i < sk_GENERAL_NAME_num(all); i++) {
		int type;
		const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);

		if (type == GEN_DNS)
			err = add_name(identity, (const char *)ASN1_STRING_get0_data(value),
				       (size_t)ASN1_STRING_length(value));
	}
	GENERAL_NAMES_free(all);
	ERR_clear_error();
	if (!err && !identity->names_count)
		err = add_common_name(identity);
	return err;
}

static void format_time(const ASN1_TIME *when, char *to, size_t size)
{
	struct tm tm = { 0 };

	if (!ASN1_TIME_to_tm(when, &tm) || !strftime(to, size, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(to, size, "an unknown time");
}

static void warn(const struct identity_pem *pem, const struct identity *identity, struct error *warning)
{
	char when[64];

	warning->text[0] = 0;
	if (X509_cmp_current_time(X509_get0_notAfter(identity->leaf)) < 0) {
		format_time(X509_get0_notAfter(identity->leaf), when, sizeof(when));
		error_set(warning, "certificate %s expired at %s: clients will refuse it; renew it", pem->name, when);
	} else if (X509_cmp_current_time(X509_get0_notBefore(identity->leaf)) > 0) {
		format_time(X509_get0_notBefore(identity->leaf), when, sizeof(when));
		error_set(warning, "certificate %s is valid only from %s on: look at this machine's clock", pem->name,
			  when);
	} else if (!identity->names_count) {
		error_set(warning, "certificate %s has no DNS name: it is used only as the default", pem->name);
	}
}

int identity_parse(const struct identity_pem *pem, struct identity *ret, struct error *warning, struct error *error)
{
	int err;

	*ret = (struct identity){ .kind = IDENTITY_RSA };
	ERR_clear_error();
	err = parse_chain(pem, ret, error);
	if (!err)
		err = parse_key(pem, ret, error);
	if (!err)
		err = set_kind(pem, ret, error);
	if (!err && !X509_check_private_key(ret->leaf, ret->key)) {
		ERR_clear_error();
		err = failed(error, -EINVAL,
			     "key %s does not belong to certificate %s: give the pair that belongs together",
			     pem->key_name, pem->name);
	}
	if (!err && add_names(ret))
		err = failed(error, -ENOMEM, "certificate %s: no memory", pem->name);
	if (err) {
		identity_free(ret);
		return err;
	}
	warn(pem, ret, warning);
	return 0;
}

void identity_free(struct identity *identity)
{
	X509_free(identity->leaf);
	sk_X509_pop_free(identity->chain, X509_free);
	EVP_PKEY_free(identity->key);
	for (unsigned int i = 0; i < identity->names_count; i++)
		free(identity->names[i]);
	free(identity->names);
	*identity = (struct identity){ .kind = IDENTITY_RSA };
}

int identity_pem_copy(const struct identity_pem *pem, struct identity_pem *ret)
{
	*ret = (struct identity_pem){
		.name = strdup(pem->name),
		.chain = malloc(pem->chain_size + 1),
		.chain_size = pem->chain_size,
		.key_name = strdup(pem->key_name),
		.key = malloc(pem->key_size + 1),
		.key_size = pem->key_size,
	};
	if (!ret->name || !ret->chain || !ret->key_name || !ret->key) {
		identity_pem_free(ret);
		return -ENOMEM;
	}
	memcpy(ret->chain, pem->chain, pem->chain_size);
	memcpy(ret->key, pem->key, pem->key_size);
	return 0;
}

void identity_pem_free(struct identity_pem *pem)
{
	if (pem->key)
		OPENSSL_cleanse(pem->key, pem->key_size);
	if (pem->chain)
		OPENSSL_cleanse(pem->chain, pem->chain_size); /* one file may hold both */
	free(pem->name);
	free(pem->chain);
	free(pem->key_name);
	free(pem->key);
	*pem = (struct identity_pem){ 0 };
}
