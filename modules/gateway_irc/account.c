/* account: what people bring as an account of their own, and the certificate that stands for it at the network (SASL EXTERNAL). */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "bridge.h"

/* In the credential, beside the fields: PEM. */
#define CERTIFICATE "certificate"
#define KEY "key"

const struct network_field irc_account_fields[] = {
	{ "network", "IRC network", false, false },
	{ "nick", "Nick", false, true },
	{ "account", "Account (the nick when empty)", false, false },
	{ "password", "Password", true, false },
	{ NULL, NULL, false, false },
};

static const char *
said(const json_t *login, const char *key)
{
	const char *s = json_string_value(json_object_get(login, key));

	return s && *s ? s : NULL;
}

static char *
copy(const json_t *login, const char *key)
{
	const char *s = said(login, key);

	return s ? mem_strdup(s) : NULL;
}

int
irc_account_read(struct irc_user *iu, const json_t *login, struct err *e)
{
	iu->network = copy(login, "network");
	iu->nick = copy(login, "nick");
	iu->account = copy(login, "account");
	iu->password = copy(login, "password");
	if (!iu->network)
		iu->network = mem_strdup(LIST_ENTRY(irc->servers.next, struct irc_server, link)->name);
	if ((iu->nick && !irc_name_is_sane(iu->nick)) || !irc_server_find(&irc->servers, iu->network, strlen(iu->network)))
		return err_set(e, 0, "there is no such IRC network, or that is no nick");
	if (!said(login, CERTIFICATE))
		return 0;
	iu->certificate = irc_certificate_parse(said(login, CERTIFICATE), said(login, KEY) ? said(login, KEY) : "", e);
	return iu->certificate ? 0 : err_prefix(e, "make a new certificate, or remove it");
}

void
irc_account_free(struct irc_user *iu)
{
	if (iu->password)
		crypt_wipe(iu->password, strlen(iu->password));
	irc_certificate_free(iu->certificate);
	free(iu->network);
	free(iu->nick);
	free(iu->account);
	free(iu->password);
}

char *
irc_account_certificate(const json_t *login)
{
	struct buf words = { 0 };
	struct irc_certificate *c;
	struct err e;
	char *text;

	if (!said(login, CERTIFICATE))
		return NULL;
	c = irc_certificate_parse(said(login, CERTIFICATE), said(login, KEY) ? said(login, KEY) : "", &e);
	if (c) {
		buf_adds(&words, "It is shown whenever you are connected. Tell the network's services of it: say CERT ADD to NickServ, or CERT ADD with the fingerprint that this "
			"network uses. Then log in anew without a password: it is not needed any more.\n");
		irc_certificate_words(c, &words);
	} else {
		buf_addf(&words, "It cannot be used: %s", e.text);
	}
	irc_certificate_free(c);
	text = mem_strdup(buf_str(&words));
	buf_fini(&words);
	return text;
}

int
irc_account_certificate_change(json_t *login, bool make, struct err *e)
{
	struct buf cert = { 0 }, key = { 0 };

	if (!make) {
		json_object_del(login, CERTIFICATE);
		json_object_del(login, KEY);
		return 0;
	}
	/* Nobody knows the new one yet. */
	if (!said(login, "password"))
		return err_set(e, 0, "log in with your password first: without it nobody would let you in before the network knows the new certificate");
	irc_certificate_make(said(login, "nick") ? said(login, "nick") : "chancery", &cert, &key);
	json_object_set_new(login, CERTIFICATE, json_string(buf_str(&cert)));
	json_object_set_new(login, KEY, json_string(buf_str(&key)));
	crypt_wipe(key.data, key.len);
	buf_fini(&cert);
	buf_fini(&key);
	return 0;
}
