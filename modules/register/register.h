/* register: what the two files of this module share. */
#ifndef MODULES_REGISTER_H
#define MODULES_REGISTER_H

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "module.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

/* What a client filled in, as fields or as a form (§4); NULL: not there. Lives as long as h->stanza and h->arena. */
struct register_fields {
	const char *username, *password;
};

/* False: a form that is none. */
bool register_read(const struct hook *h, struct register_fields *out);
/* Why this is not a good password; NULL: it will do. */
const char *register_password_refusal(struct arena *a, const char *username, const char *password);
/* Registration before authentication. */
int registration_attach(struct module *m);

/* Registration by invitation: preauth.c */
struct register_admission;
bool preauth_is_offered(void);
/* <preauth/> by a stranger. */
enum hook_verdict preauth_on_stranger(struct hook *h);
/* The token that this stream has shown; NULL: none. */
const char *preauth_token(const struct hook *h);
/* The account is there. */
void preauth_registered(const struct jid *account, const struct register_admission *a);

#endif
