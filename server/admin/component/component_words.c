/*
 * component_words: see component_words.h.
 */
#include "admin/component/component_words.h"

#include <string.h>

#include "core/component/component_rules.h"
#include "core/host.h"
#include "core/service/service.h"
#include "xmpp/jid.h"

int
component_words_name(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n > 0 && n <= COMPONENT_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n && strchr("._-", *name) == NULL)
		return 0;
	return err_set(e, 0, "a name has 1 to %d of a-z, 0-9, '.', '_', '-', and begins with a letter or digit", COMPONENT_NAME_MAX);
}

static bool
is_ours(const char *domain)
{
	struct jid *j = jid_new(NULL, domain, NULL);
	bool ours = j == NULL || host_is_local(j) || service_of(j) != NULL;

	jid_unref(j);
	return ours;
}

static bool
is_in_settings(const char *domain)
{
	struct component_rules *known = component_rules_get(domain);
	bool is = known != NULL && !known->stored;

	component_rules_unref(known);
	return is;
}

int
component_words_domain(const char *text, char domain[COMPONENT_WORDS_DOMAIN], struct err *e)
{
	if (jid_prepare_domain(text, strlen(text), domain) != 0)
		return err_set(e, 0, "%.200s is not a domain", text);
	if (is_ours(domain))
		return err_set(e, 0, "%.200s is this server's own", domain);
	if (is_in_settings(domain))
		return err_set(e, 0, "%.200s is in the settings already (components.domains)", domain);
	return 0;
}
