/*
 * account_name: see account_name.h.
 */
#include "admin/account/account_name.h"

#include <string.h>

#include "core/config/config.h"
#include "xmpp/jid.h"

struct jid *
account_name_parse(const struct config *c, const char *text, struct err *e)
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
