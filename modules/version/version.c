/*
 * version: Software Version (XEP-0092) of the server. Either half can be switched off: name and version
 * (modules.version), and, off unless asked for, the operating system (modules.version_os; XEP-0092 §5).
 */
#include <string.h>
#include <sys/utsname.h>

#include "module.h"
#include "xmpp/ns.h"

static void
add_text(struct stanza *st, struct elem *query, const char *name, const char *text)
{
	elem_add_text(st, elem_add(st, query, NULL, name), text, strlen(text));
}

static void
add_os(struct hook *h, struct stanza *st, struct elem *query)
{
	struct utsname u;

	if (module_setting(h->module, "version_os") && !uname(&u))
		add_text(st, query, "os", arena_printf(h->arena, "%s %s", u.sysname, u.release));
}

static enum hook_verdict
on_version(struct hook *h)
{
	struct stanza *st;
	struct elem *query;

	if (!module_setting(h->module, "version"))
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_VERSION, "query");
	add_text(st, query, "name", "Chancery");
	add_text(st, query, "version", CHANCERY_VERSION);
	add_os(h, st, query);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static int
attach(struct module *m)
{
	module_offers_when(m, NS_VERSION, MODULE_SERVER, "version");
	return module_on_iq(m, MODULE_IQ_GET, NS_VERSION, "query", MODULE_SERVER, on_version);
}

const struct module_def version_module = {
	.name = "version",
	.about = "Software Version (XEP-0092)",
	.attach = attach,
};
