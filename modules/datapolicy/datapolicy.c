/*
 * datapolicy: XEP-0504: the form that tells every client that messages are archived, for how long and who can read them, and
 * whether users may encrypt from end to end.
 *
 * What the server knows of itself it says itself; what only the organisation knows comes from the settings policy.*.
 */
#include <string.h>

#include "module.h"
#include "xmpp/form.h"

#define DATA_POLICY "urn:xmpp:data-policy:0"

static void
add_text(struct hook *h, struct elem *x, const char *var, const char *value)
{
	if (*value)
		form_add(h->reply, x, "text-single", var, NULL, value);
}

static void
add_bool(struct hook *h, struct elem *x, const char *var, bool value)
{
	form_add(h->reply, x, "boolean", var, NULL, value ? "true" : "false");
}

/* "none" is said alone or not at all. */
static void
add_access(struct hook *h, struct elem *x, const struct config_list *words)
{
	struct elem *field;

	if (!words->n)
		return;
	field = form_add(h->reply, x, "list-multi", "access_policy", NULL, NULL);
	for (size_t i = 0; i < words->n; i++)
		if (words->n == 1 || strcmp(words->item[i], "none") != 0)
			form_add_value(h->reply, field, words->item[i]);
}

static void
add_notice(struct hook *h, struct elem *x, const struct module_settings *s)
{
	static const char *const encryption[] = {
		[ENCRYPTION_ALLOW] = "End-to-end encryption is allowed; what is sent that way is archived as it is sent.",
		[ENCRYPTION_ANNOUNCE] = "End-to-end encryption is allowed, and its use is noted.",
		[ENCRYPTION_FORBID] = "End-to-end encryption is not allowed; encrypted messages are refused.",
	};
	struct elem *field = form_add(h->reply, x, "text-multi", "extra_info", NULL,
		"Every message is archived by the organisation before it is delivered. Deleting or correcting a message changes what "
		"users see, not the archive.");

	form_add_value(h->reply, field, encryption[s->encryption.standard]);
	if (s->encryption.allow.n || s->encryption.announce.n || s->encryption.forbid.n)
		form_add_value(h->reply, field, "For some groups of the organisation another rule holds.");
	for (size_t i = 0; i < s->policy.notice.n; i++)
		form_add_value(h->reply, field, s->policy.notice.item[i]);
}

static enum hook_verdict
on_server_info(struct hook *h)
{
	const struct module_settings *s = module_settings();
	struct elem *x = form_new(h->reply, h->query, "result", DATA_POLICY);

	/* SCRAM shows the server no password (RFC 5802 §9); PLAIN does. */
	form_add(h->reply, x, "list-single", "auth_data", NULL, module_setting(h->module, "auth.plain") ? "plain" : "hidden");
	add_text(h, x, "data_retention", s->policy.retention);
	/* Nobody who uses the service can take anything out of the archive. */
	add_bool(h, x, "data_deletion", false);
	add_bool(h, x, "full_erasure", false);
	add_bool(h, x, "encryption_at_rest", s->policy.encrypted_at_rest);
	add_text(h, x, "tos", s->policy.terms);
	add_access(h, x, &s->policy.access);
	add_text(h, x, "backup_frequency", s->policy.backup_frequency);
	add_text(h, x, "backup_retention", s->policy.backup_retention);
	add_notice(h, x, s);
	return HOOK_NEXT;
}

static int
attach(struct module *m)
{
	return module_on(m, HOOK_SERVER_INFO, on_server_info);
}

const struct module_def datapolicy_module = {
	.name = "datapolicy",
	.about = "Data Policy (XEP-0504)",
	.attach = attach,
};
