/*
 * password: preparation and hashing. Called by the verbs of accounts, by imports, and for users who change their own.
 */
#include "store/password.h"

#include <string.h>

#include "base/crypt.h"
#include "xmpp/jid.h"

static int
prepare(const char *password, char out[PASSWORD_BYTES_MAX + 1], struct err *e)
{
	if (password[0] == '\0')
		return err_set(e, 0, "the password is empty");
	if (jid_prepare_password(password, strlen(password), out, PASSWORD_BYTES_MAX + 1))
		return err_set(e, 0, "the password is longer than %d bytes or has characters that are not allowed",
			PASSWORD_BYTES_MAX);
	return 0;
}

int
password_check(const char *password, struct err *e)
{
	char prepared[PASSWORD_BYTES_MAX + 1];
	int rc = prepare(password, prepared, e);

	crypt_wipe(prepared, sizeof(prepared));
	return rc;
}

int
password_keys(struct account_secret *out, const char *password, uint32_t iterations, struct err *e)
{
	char prepared[PASSWORD_BYTES_MAX + 1];
	int rc = prepare(password, prepared, e);

	for (int h = 0; rc == 0 && h < SCRAM_HASHES; h++) {
		uint8_t salt[SCRAM_SALT];

		crypt_random(salt, sizeof(salt));
		scram_keys_make(&out->keys[h], (enum scram_hash)h, prepared, strlen(prepared), salt, sizeof(salt), iterations);
	}
	crypt_wipe(prepared, sizeof(prepared));
	return rc;
}
