/*
 * secret: preparation and hashing. Called by the verbs of accounts and by the threads of an import.
 */
#include "admin/secret.h"

#include <string.h>

#include "base/crypt.h"
#include "core/config/config.h"
#include "xmpp/jid.h"

struct jid *
secret_account_jid(const struct config *c, const char *text, struct err *e)
{
	struct jid *j = jid_parse_z(text);

	if (j == NULL || !jid_is_bare(j) || jid_is_domain(j)) {
		err_set(e, 0, "not an account's address: expected name@domain");
		jid_unref(j);
		return NULL;
	}
	for (size_t i = 0; i < c->nhosts; i++)
		if (strcmp(c->hosts[i].domain, jid_domain(j)) == 0)
			return j;
	err_set(e, 0, "this server has no host %s", jid_domain(j));
	jid_unref(j);
	return NULL;
}

static int
prepare(const char *password, char out[SECRET_PASSWORD_MAX + 1], struct err *e)
{
	if (password[0] == '\0')
		return err_set(e, 0, "the password is empty");
	if (jid_prepare_password(password, strlen(password), out, SECRET_PASSWORD_MAX + 1) != 0)
		return err_set(
			e, 0,
			"the password is longer than %d bytes or has characters that are not allowed",
			SECRET_PASSWORD_MAX);
	return 0;
}

int
secret_check_password(const char *password, struct err *e)
{
	char prepared[SECRET_PASSWORD_MAX + 1];
	int rc = prepare(password, prepared, e);

	crypt_wipe(prepared, sizeof prepared);
	return rc;
}

int
secret_make(struct account_secret *out, const char *password, uint32_t iterations, struct err *e)
{
	char prepared[SECRET_PASSWORD_MAX + 1];
	int rc = prepare(password, prepared, e);

	for (int h = 0; rc == 0 && h < SCRAM_HASHES; h++) {
		uint8_t salt[SCRAM_SALT];

		crypt_random(salt, sizeof salt);
		scram_keys_make(&out->keys[h], (enum scram_hash)h, prepared, strlen(prepared), salt,
				sizeof salt, iterations);
	}
	crypt_wipe(prepared, sizeof prepared);
	return rc;
}
