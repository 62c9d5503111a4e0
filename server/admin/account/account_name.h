/* account_name: which accounts an argument may name. For the verbs of accounts, and the threads of an import. */
#ifndef ADMIN_ACCOUNT_NAME_H
#define ADMIN_ACCOUNT_NAME_H

#include "base/err.h"

struct config;
struct jid;

/* The bare JID of an account here: local part and one of the hosts. NULL and `e`. */
struct jid *account_name_parse(const struct config *c, const char *text, struct err *e) MUST_CHECK;

#endif
