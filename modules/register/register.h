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

#endif
