// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/keylog.h"

#include <string.h>

static const char client_label[] = "CLIENT_TRAFFIC_SECRET_0 ", server_label[] = "SERVER_TRAFFIC_SECRET_0 ";

static void free_secrets(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	OPENSSL_clear_free(ptr, sizeof(struct traffic_secrets));
}

static int secrets_index(void)
{
	static int made = -1;

	if (made < 0)
		made = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_secrets);
	return made;
}

/* Two hexadecimal digits for each byte; a size of 0 when it is not that. */
static void read_secret(const char *text, struct traffic_secret *to)
{
	size_t size = 0;

	to->size = OPENSSL_hexstr2buf_ex(to->bytes, sizeof(to->bytes), &size, text, 0) ? (unsigned int)size : 0;
}

/* A line is: label, client random, secret (the format that NSS began and all tools read). */
static void on_line(const SSL *ssl, const char *line)
{
	bool client = strncmp(line, client_label, sizeof(client_label) - 1) == 0;
	bool server = strncmp(line, server_label, sizeof(server_label) - 1) == 0;
	struct traffic_secrets *secrets = SSL_get_ex_data(ssl, secrets_index());
	const char *hex = strrchr(line, ' ');

	if ((!client && !server) || !hex)
		return;
	if (!secrets) {
		secrets = OPENSSL_zalloc(sizeof(*secrets));
		if (!secrets || !SSL_set_ex_data((SSL *)ssl, secrets_index(), secrets)) {
			OPENSSL_free(secrets);
			return;
		}
	}
	read_secret(hex + 1, client ? &secrets->client : &secrets->server);
}

void keylog_enable(SSL_CTX *context)
{
	if (secrets_index() >= 0)
		SSL_CTX_set_keylog_callback(context, on_line);
}

bool keylog_secrets(const SSL *ssl, struct traffic_secrets *ret)
{
	const struct traffic_secrets *secrets = secrets_index() >= 0 ? SSL_get_ex_data(ssl, secrets_index()) : NULL;

	if (!secrets || !secrets->client.size || !secrets->server.size)
		return false;
	*ret = *secrets;
	return true;
}
