/*
 * invite: invitations (XEP-0401): users make links by which somebody becomes their contact, administrators links by which somebody
 * registers an account; and what comes of the former: a subscription request with a token that was given out is approved, and
 * returned (XEP-0379). Registering by a token (XEP-0445) is modules/register's.
 *
 * A request with something that looks like a token is taken over while the database is asked, and then goes on: approved, or as
 * if there were no token, for the client to judge, which may have given out tokens of its own (XEP-0379 §4.1).
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "invite_store.h"
#include "module.h"
#include "xmpp/form.h"

#define NS_PARS "urn:xmpp:pars:0"
#define FORM_INVITATION "urn:xmpp:invite#invitation"

/* One command under way, in hook_memory. */
struct work {
	struct invite_creation made; /* first: it is what the job is given */
	struct command *c;
	struct hook_admin ask;
};

static struct work *
work_new(struct hook *h, struct command *c)
{
	struct work *w = arena_zalloc(hook_memory(h), sizeof(*w));

	w->c = c;
	return w;
}

/* What both commands end with (XEP-0401 §5.1); landing and expire may be empty. */
static enum hook_verdict
show_invitation(struct hook *h, struct command *c, const char *uri, const char *landing, const char *expire)
{
	struct elem *x = command_result(c, c->def->name);

	form_add(c->answer, x, "hidden", "FORM_TYPE", NULL, FORM_INVITATION);
	form_add(c->answer, x, "text-single", "uri", "Invitation", uri);
	if (*landing)
		form_add(c->answer, x, "text-single", "landing-url", "Web page", landing);
	if (*expire)
		form_add(c->answer, x, "text-single", "expire", "Good until", expire);
	return command_send(h, c);
}

/* A contact (§5.1) */

static enum hook_verdict
created(struct hook *h, void *data, bool ok)
{
	struct work *w = data;
	const char *page = module_settings()->invite.page;
	struct buf uri = { 0 }, landing = { 0 };
	enum hook_verdict v;
	char until[32];

	if (!ok)
		return hook_unavailable(h);
	if (w->made.how != INVITE_ADDED) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many of your invitations are open");
	}
	log_info(NULL, "invitation-made", "jid=%s id=%lld", w->made.invite.inviter, (long long)w->made.invite.id);
	invite_uri(&w->made.invite, w->made.token, &uri);
	if (*page)
		invite_landing(page, buf_str(&uri), &landing);
	v = show_invitation(h, w->c, buf_str(&uri), *page ? buf_str(&landing) : "", clock_format(w->made.invite.expires_us, until));
	buf_fini(&uri);
	buf_fini(&landing);
	return v;
}

static enum hook_verdict
invite_contact(struct hook *h, struct command *c)
{
	struct work *w = work_new(h, c);

	w->made.lifetime_ms = module_settings()->invite.lifetime_ms;
	w->made.most = module_limits()->invitations_open;
	w->made.invite = (struct invite){
		.inviter = arena_strdup(hook_memory(h), jid_bare(h->from)),
		.domain = arena_strdup(hook_memory(h), jid_domain(h->from)),
		.registers = module_settings()->invite.accounts,
		.befriends = true,
		.mutual = true,
		.uses = 1,
	};
	invite_token(w->made.token);
	return hook_job(h, &w->made, invite_store_add, created);
}

/* An account (§5.4): what `chancery invite create` does, audited in the administrator's name. */

static enum hook_verdict
granted(struct hook *h, void *data, bool ok)
{
	struct work *w = data;
	const struct hook_admin_row *row;

	(void)ok;
	if (w->ask.refusal || !w->ask.nrows)
		return command_say(h, w->c, "error", w->ask.refusal ? w->ask.refusal : "no invitation was made");
	row = &w->ask.row[0];
	return show_invitation(h, w->c, hook_admin_value(row, "uri"), hook_admin_value(row, "page"), hook_admin_value(row, "expires"));
}

static enum hook_verdict
show_account_form(struct hook *h, struct command *c)
{
	struct elem *x = command_form(c, c->def->name, "Without a user name the invited person chooses one.");

	form_add(c->answer, x, "text-single", "username", "User name", NULL);
	form_add(c->answer, x, "boolean", "roster-subscription", "You and the new user become contacts", "0");
	return command_send(h, c);
}

static enum hook_verdict
invite_account(struct hook *h, struct command *c)
{
	struct work *w;
	const char *name;
	bool mutual = false;
	char local[1024];

	if (!c->step)
		return show_account_form(h, c);
	if (!form_bool(c->form[0], "roster-subscription", &mutual))
		return command_bad_form(h, "roster-subscription is yes or no");
	name = form_value(c->form[0], "username");
	if (name && *name && (strlen(name) >= sizeof(local) || jid_prepare_local(name, strlen(name), local)))
		return command_bad_form(h, "not a name for an account");
	w = work_new(h, c);
	w->ask.noun = "invite";
	w->ask.verb = "create";
	w->ask.arg[0] = (struct hook_admin_arg){ "jid", name && *name ?
		arena_printf(hook_memory(h), "%s@%s", local, jid_domain(h->from)) : arena_strdup(hook_memory(h), jid_domain(h->from)) };
	w->ask.arg[1] = (struct hook_admin_arg){ "inviter", arena_strdup(hook_memory(h), jid_bare(h->from)) };
	w->ask.arg[2] = (struct hook_admin_arg){ "contact", mutual ? "yes" : "no" };
	return hook_admin(h, &w->ask, w, granted);
}

/* Subscription requests with a token (XEP-0379 §3.5) */

static const char *
token_of(const struct hook *h)
{
	const struct elem *e = elem_child(h->stanza->root, NS_PARS, "preauth");
	const char *token = e ? elem_get(e, "token") : NULL;

	return token && invite_is_token(token) ? token : NULL;
}

static enum hook_verdict
judged(struct hook *h, void *data, bool ok)
{
	const struct invite_redemption *r = data;
	bool approved = ok && r->ok;

	metric_add(approved ? METRIC_INVITE_USED : METRIC_INVITE_REFUSED, 1);
	if (approved)
		log_info(NULL, "invitation-used", "jid=%s by=%s", r->inviter, r->contact);
	module_request_arrives(h, approved);
	return HOOK_HANDLED;
}

static enum hook_verdict
judge(struct hook *h, void *data, bool ok)
{
	struct arena *a = hook_memory(h);
	struct jid *contact = jid_to_bare((struct jid *)h->from);
	struct invite_redemption *r = arena_zalloc(a, sizeof(*r));

	(void)data;
	(void)ok;
	r->token = arena_strdup(a, token_of(h));
	r->inviter = arena_strdup(a, jid_bare(h->account));
	r->contact = arena_strdup(a, jid_bare(contact));
	jid_unref(contact);
	return hook_job(h, r, invite_store_redeem, judged);
}

static enum hook_verdict
on_arrival(struct hook *h)
{
	const char *type = elem_get(h->stanza->root, "type");

	if (!type || strcmp(type, "subscribe") != 0)
		return HOOK_NEXT;
	if (!h->account_id || !h->from || !module_settings()->invite.on || !token_of(h))
		return HOOK_NEXT;
	/* Who is subscribed already is told so, and uses nothing up. */
	if (module_relation(h) != MODULE_STRANGER)
		return HOOK_NEXT;
	hook_aside(h, judge, NULL);
	return HOOK_HANDLED;
}

static const struct module_command contact_command = {
	.node = "urn:xmpp:invite#invite",
	.name = "Invite user",
	.target = MODULE_SERVER,
	.setting = "invite.on",
	.run = invite_contact,
};

static const struct module_command account_command = {
	.node = "urn:xmpp:invite#create-account",
	.name = "Create account",
	.target = MODULE_SERVER,
	.admins = true,
	.setting = "invite.on",
	.steps = 1,
	.run = invite_account,
};

static int
attach(struct module *m)
{
	module_command(m, &contact_command);
	module_command(m, &account_command);
	return module_on_stanza(m, HOOK_RECV_CHECK, MODULE_PRESENCE, NULL, on_arrival);
}

const struct module_def invite_module = {
	.name = "invite",
	.about = "Invitations (XEP-0401, XEP-0379)",
	.attach = attach,
};
