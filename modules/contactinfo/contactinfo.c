/*
 * contactinfo: XEP-0157: whom to turn to, as a form in the server's disco#info. Lists that are empty are not mentioned.
 */
#include "module.h"
#include "xmpp/form.h"

#define SERVERINFO "http://jabber.org/network/serverinfo"

static enum hook_verdict
on_server_info(struct hook *h)
{
	const struct module_settings *s = module_settings();
	const struct {
		const char *var;
		const struct config_list *list;
	} fields[] = {
		{ "abuse-addresses", &s->contact.abuse },       { "admin-addresses", &s->contact.admin },
		{ "feedback-addresses", &s->contact.feedback }, { "sales-addresses", &s->contact.sales },
		{ "security-addresses", &s->contact.security }, { "status-addresses", &s->contact.status },
		{ "support-addresses", &s->contact.support },
	};
	struct elem *x = NULL, *field;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!fields[i].list->n)
			continue;
		if (!x)
			x = form_new(h->reply, h->query, "result", SERVERINFO);
		field = form_add(h->reply, x, "list-multi", fields[i].var, NULL, NULL);
		for (size_t k = 0; k < fields[i].list->n; k++)
			form_add_value(h->reply, field, fields[i].list->item[k]);
	}
	return HOOK_NEXT;
}

static int
attach(struct module *m)
{
	return module_on(m, HOOK_SERVER_INFO, on_server_info);
}

const struct module_def contactinfo_module = {
	.name = "contactinfo",
	.about = "Contact Addresses (XEP-0157)",
	.attach = attach,
};
