/* secret: the accounts that an argument may name. Passwords are store/password's. */
#ifndef ADMIN_SECRET_H
#define ADMIN_SECRET_H

#include "base/err.h"

struct config;
struct jid;

/* The bare JID of an account here: local part and one of the hosts. NULL and `e`. */
struct jid *secret_account_jid(const struct config *c, const char *text, struct err *e) MUST_CHECK;
#endif
