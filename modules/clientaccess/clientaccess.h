/* clientaccess: what its files share. */
#ifndef CLIENTACCESS_H
#define CLIENTACCESS_H

#include "module.h"

/* The commands for passwords of devices. */
void clientaccess_password_attach(struct module *m);
/* The one for the account's second factor. */
void clientaccess_factor_attach(struct module *m);

#endif
