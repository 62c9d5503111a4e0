/*
 * administration: XEP-0133: what an administrator does by `chancery`, as commands in the administrator's own client.
 *
 * Each command is a row of the table below: a form, or none, then a request to the command line's own verbs (hook_admin), which check,
 * act and audit. A command for several accounts asks once for each, and tells of each that was refused.
 */
#include <stdlib.h>
#include <string.h>

#include "module.h"
#include "xmpp/form.h"

#define FORM_ADMIN "http://jabber.org/protocol/admin"
#define NODE(name) FORM_ADMIN "#" name
#define BATCH_MAX 100 /* accounts of one command */

struct action;

/* One command under way, in hook_memory */
struct work {
	struct command *c;
	const struct action *action;
	struct hook_admin ask;
	struct elem *x;            /* the result's form, once it has a field */
	struct elem *accounts, *values; /* its fields, where several accounts are asked for */
	const struct form_field *jids;
	unsigned next, done;
};

enum form_kind { FORM_NONE, FORM_ADD, FORM_PASSWORD, FORM_ACCOUNT, FORM_ACCOUNTS, FORM_MOST, FORM_TEXT, FORM_GROUPS };

struct action {
	struct module_command command;
	enum form_kind form;
	const char *noun, *verb;
	const char *state;  /* argument of verbs that list or announce */
	const char *field;  /* of the result */
	const char *column; /* its value: a value of the answer's rows */
	const char *label;
	const char *said;   /* "3 accounts …" */
};

static enum hook_verdict run(struct hook *h, struct command *c);

#define COMMAND(node_, name_, steps_) { .node = NODE(node_), .name = name_, .target = MODULE_SERVER, .admins = true, .steps = steps_, .run = run }

static const struct action actions[] = {
	{ COMMAND("add-user", "Add User", 1), FORM_ADD, "user", "add", .said = "added" },
	{ COMMAND("delete-user", "Delete User", 1), FORM_ACCOUNTS, "user", "delete", .said = "deleted" },
	{ COMMAND("disable-user", "Disable User", 1), FORM_ACCOUNTS, "user", "disable", .said = "disabled" },
	{ COMMAND("reenable-user", "Re-Enable User", 1), FORM_ACCOUNTS, "user", "enable", .said = "enabled" },
	{ COMMAND("end-user-session", "End User Session", 1), FORM_ACCOUNTS, "session", "close", .said = "disconnected" },
	{ COMMAND("change-user-password", "Change User Password", 1), FORM_PASSWORD, "user", "password", .said = "changed" },
	{ COMMAND("get-user-lastlogin", "Get User Last Login Time", 1), FORM_ACCOUNTS, "user", "show", .field = "lastlogin",
	  .column = "last_seen", .label = "Last seen" },
	{ COMMAND("user-stats", "Get User Statistics", 1), FORM_ACCOUNT, "session", "list", .field = "ipaddresses", .column = "address",
	  .label = "Addresses" },
	{ COMMAND("get-registered-users-num", "Get Number of Registered Users", 0), FORM_NONE, "user", "count",
	  .field = "registeredusersnum", .column = "registered", .label = "Registered users" },
	{ COMMAND("get-disabled-users-num", "Get Number of Disabled Users", 0), FORM_NONE, "user", "count",
	  .field = "disabledusersnum", .column = "disabled", .label = "Disabled users" },
	{ COMMAND("get-online-users-num", "Get Number of Online Users", 0), FORM_NONE, "user", "count",
	  .field = "onlineusersnum", .column = "online", .label = "Users online" },
	{ COMMAND("get-active-users-num", "Get Number of Active Users", 0), FORM_NONE, "user", "count",
	  .field = "activeusersnum", .column = "active", .label = "Active users" },
	{ COMMAND("get-idle-users-num", "Get Number of Idle Users", 0), FORM_NONE, "user", "count",
	  .field = "idleusersnum", .column = "idle", .label = "Idle users" },
	{ COMMAND("get-registered-users-list", "Get List of Registered Users", 1), FORM_MOST, "user", "names", .state = "registered",
	  .field = "registereduserjids", .column = "jid", .label = "Registered users" },
	{ COMMAND("get-disabled-users-list", "Get List of Disabled Users", 1), FORM_MOST, "user", "names", .state = "disabled",
	  .field = "disableduserjids", .column = "jid", .label = "Disabled users" },
	{ COMMAND("get-online-users-list", "Get List of Online Users", 1), FORM_MOST, "user", "names", .state = "online",
	  .field = "onlineuserjids", .column = "jid", .label = "Users online" },
	{ COMMAND("get-active-users", "Get List of Active Users", 1), FORM_MOST, "user", "names", .state = "active",
	  .field = "activeuserjids", .column = "jid", .label = "Active users" },
	{ COMMAND("get-idle-users", "Get List of Idle Users", 1), FORM_MOST, "user", "names", .state = "idle",
	  .field = "activeuserjids", .column = "jid", .label = "Idle users" }, /* the field's name is the XEP's (§4.22) */
	{ COMMAND("edit-user-groups", "Edit Groups of a User", 2), FORM_GROUPS, "user", "show", .said = NULL },
	{ COMMAND("announce", "Send Announcement to Online Users", 1), FORM_TEXT, "announce", "", .state = "online" },
	{ COMMAND("announce-all", "Send Announcement to All Users", 1), FORM_TEXT, "announce", "", .state = "all" },
};

static const struct action *
action_of(const struct command *c)
{
	return (const struct action *)((const char *)c->def - offsetof(struct action, command));
}

/* Forms */

static void
require(struct command *c, struct elem *x, const char *type, const char *var, const char *label)
{
	form_require(c->answer, form_add(c->answer, x, type, var, label, NULL));
}

static void
add_most(struct command *c, struct elem *x)
{
	static const char *const numbers[] = { "25", "50", "75", "100", "150", "200" };
	struct elem *field = form_add(c->answer, x, "list-single", "max_items", "Maximum number of items to show", "100");

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		form_add_option(c->answer, field, numbers[i], numbers[i]);
}

static enum hook_verdict
show_form(struct hook *h, struct command *c, const struct action *a)
{
	struct elem *x = command_form(c, a->command.name, "Fill in this form.");

	form_add(c->answer, x, "hidden", "FORM_TYPE", NULL, FORM_ADMIN);
	switch (a->form) {
	case FORM_ADD:
		require(c, x, "jid-single", "accountjid", "The address of the account to be added");
		require(c, x, "text-private", "password", "The password of this account");
		require(c, x, "text-private", "password-verify", "The password again");
		break;
	case FORM_PASSWORD:
		require(c, x, "jid-single", "accountjid", "The address of this account");
		require(c, x, "text-private", "password", "The new password");
		break;
	case FORM_ACCOUNT:
	case FORM_GROUPS:
		require(c, x, "jid-single", "accountjid", "The address of this account");
		break;
	case FORM_ACCOUNTS:
		require(c, x, "jid-multi", "accountjids", "The addresses of the accounts");
		break;
	case FORM_MOST:
		add_most(c, x);
		break;
	case FORM_TEXT:
		form_add(c->answer, x, "text-single", "subject", "Subject", NULL);
		require(c, x, "text-multi", "announcement", "Announcement");
		break;
	case FORM_NONE:
		break;
	}
	return command_send(h, c);
}

/* Results */

static struct elem *
result(struct work *w)
{
	if (!w->x) {
		w->x = command_result(w->c, w->action->command.name);
		form_add(w->c->answer, w->x, "hidden", "FORM_TYPE", NULL, FORM_ADMIN);
	}
	return w->x;
}

static void
note_refusal(struct hook *h, struct work *w, const char *whom)
{
	const char *why = w->ask.refusal;

	command_note(w->c, "error", whom && !strstr(why, whom) ? arena_printf(h->arena, "%s: %s", whom, why) : why);
}

/* One field with a value of each row; several values that are alike once. */
static void
add_column(struct work *w)
{
	const struct action *a = w->action;
	struct elem *field = form_add(w->c->answer, result(w), w->ask.nrows == 1 ? "text-single" : "text-multi", a->field, a->label, NULL);
	const char *last = NULL;

	for (unsigned i = 0; i < w->ask.nrows; i++) {
		const char *value = hook_admin_value(&w->ask.row[i], a->column);

		if (!last || strcmp(last, value) != 0)
			form_add_value(w->c->answer, field, value);
		last = value;
	}
}

/* §4.9: beside the addresses, who is there how often. */
static void
add_statistics(struct hook *h, struct work *w)
{
	unsigned online = 0;

	for (unsigned i = 0; i < w->ask.nrows; i++)
		online += !strcmp(hook_admin_value(&w->ask.row[i], "state"), "available");
	form_add(w->c->answer, result(w), "text-single", "onlineresources", "Online resources", arena_printf(h->arena, "%u", online));
}

static enum hook_verdict
answered(struct hook *h, void *data, bool ok)
{
	struct work *w = data;

	(void)ok;
	if (w->ask.refusal) {
		note_refusal(h, w, NULL);
	} else if (w->action->field) {
		add_column(w);
		if (w->action->form == FORM_ACCOUNT)
			add_statistics(h, w);
	} else if (w->action->form == FORM_TEXT) {
		command_note(w->c, "info", arena_printf(h->arena, "Sent to %s.", hook_admin_value(&w->ask.row[0], "sent")));
	} else {
		command_note(w->c, "info", arena_printf(h->arena, "The account was %s.", w->action->said));
	}
	return command_send(h, w->c);
}

/* Several accounts, one after the other */

static enum hook_verdict each(struct hook *h, struct work *w);

static void
add_account(struct hook *h, struct work *w, const char *jid)
{
	const char *value;

	if (w->action->field && !w->accounts) {
		w->accounts = form_add(w->c->answer, result(w), "jid-multi", "accountjids", "Accounts", NULL);
		w->values = form_add(w->c->answer, w->x, "text-multi", w->action->field, w->action->label, NULL);
	}
	w->done++;
	if (!w->action->field)
		return;
	value = hook_admin_value(&w->ask.row[0], w->action->column);
	value = *value ? value : "never";
	form_add_value(w->c->answer, w->accounts, jid);
	form_add_value(w->c->answer, w->values, w->jids->n > 1 ? arena_printf(h->arena, "%s %s", jid, value) : value);
}

static enum hook_verdict
one_done(struct hook *h, void *data, bool ok)
{
	struct work *w = data;
	const char *jid = w->jids->value[w->next];

	(void)ok;
	if (w->ask.refusal)
		note_refusal(h, w, jid);
	else
		add_account(h, w, jid);
	w->next++;
	return each(h, w);
}

static enum hook_verdict
each(struct hook *h, struct work *w)
{
	if (w->next == w->jids->n) {
		if (w->action->said)
			command_note(w->c, "info", arena_printf(h->arena, "%u of %u accounts %s.", w->done, w->jids->n, w->action->said));
		return command_send(h, w->c);
	}
	w->ask.arg[0] = (struct hook_admin_arg){ "jid", w->jids->value[w->next] };
	return hook_admin(h, &w->ask, w, one_done);
}

/* Submissions */

/* The lines of a text as one. */
static const char *
text_of(const struct form *f, const char *var, struct arena *a)
{
	const struct form_field *field = form_find(f, var);
	const char *text = NULL;

	for (unsigned i = 0; field && i < field->n; i++)
		text = text ? arena_printf(a, "%s\n%s", text, field->value[i]) : field->value[i];
	return text && *text ? text : NULL;
}

static enum hook_verdict
ask_password(struct hook *h, struct work *w, const struct form *f, bool twice)
{
	const char *jid = form_value(f, "accountjid"), *password = form_value(f, "password"), *again = form_value(f, "password-verify");

	if (!jid || !password || (twice && !again))
		return command_bad_form(h, "an address and a password are needed");
	if (twice && strcmp(password, again) != 0)
		return command_bad_form(h, "the two passwords differ");
	w->ask.arg[0] = (struct hook_admin_arg){ "jid", jid };
	w->ask.arg[1] = (struct hook_admin_arg){ "password", password };
	return hook_admin(h, &w->ask, w, answered);
}

static enum hook_verdict
ask_accounts(struct hook *h, struct work *w, const struct form *f)
{
	w->jids = form_find(f, "accountjids");
	if (!w->jids || !w->jids->n || w->jids->n > BATCH_MAX)
		return command_bad_form(h, "1 to 100 addresses are needed");
	return each(h, w);
}

static enum hook_verdict
ask_list(struct hook *h, struct work *w, const struct form *f)
{
	uint64_t most = 100;

	if (!form_number(f, "max_items", 1, 1000, &most))
		return command_bad_form(h, "the number of items is not one from 1 to 1000");
	w->ask.arg[0] = (struct hook_admin_arg){ "state", w->action->state };
	w->ask.arg[1] = (struct hook_admin_arg){ "limit", arena_printf(hook_memory(h), "%u", (unsigned)most) };
	return hook_admin(h, &w->ask, w, answered);
}

static enum hook_verdict
ask_announce(struct hook *h, struct work *w, const struct form *f)
{
	const char *text = text_of(f, "announcement", hook_memory(h)), *subject = form_value(f, "subject");

	if (!text)
		return command_bad_form(h, "a text is needed");
	w->ask.arg[0] = (struct hook_admin_arg){ "text", text };
	w->ask.arg[1] = (struct hook_admin_arg){ "subject", subject && *subject ? subject : NULL };
	w->ask.arg[2] = (struct hook_admin_arg){ "to", w->action->state };
	return hook_admin(h, &w->ask, w, answered);
}

static enum hook_verdict
ask_account(struct hook *h, struct work *w, const struct form *f)
{
	const char *jid = form_value(f, "accountjid");

	if (!jid)
		return command_bad_form(h, "an address is needed");
	w->ask.arg[0] = (struct hook_admin_arg){ "jid", jid };
	return hook_admin(h, &w->ask, w, answered);
}

/* Groups: the account, then those it has, to be changed */

static bool
has_line(const char *lines, const char *line, size_t n)
{
	for (; *lines; lines += strcspn(lines, "\n"), lines += *lines == '\n')
		if (strcspn(lines, "\n") == n && !memcmp(lines, line, n))
			return true;
	return false;
}

/* The lines of `a` that `b` does not have. */
static const char *
lines_without(const char *a, const char *b, struct arena *arena)
{
	const char *out = "";

	for (; *a; a += strcspn(a, "\n"), a += *a == '\n') {
		size_t n = strcspn(a, "\n");

		if (n && !has_line(b, a, n))
			out = arena_printf(arena, "%s%s%.*s", out, *out ? "\n" : "", (int)n, a);
	}
	return out;
}

static enum hook_verdict
groups_set(struct hook *h, void *data, bool ok)
{
	struct work *w = data;

	(void)ok;
	if (w->ask.refusal)
		note_refusal(h, w, NULL);
	else
		command_note(w->c, "info", "The groups were set.");
	return command_send(h, w->c);
}

static enum hook_verdict
groups_known(struct hook *h, void *data, bool ok)
{
	struct work *w = data;
	struct arena *a = hook_memory(h);
	const char *present, *wanted;
	struct elem *x, *field;

	(void)ok;
	if (w->ask.refusal) {
		note_refusal(h, w, NULL);
		return command_send(h, w->c);
	}
	present = hook_admin_value(&w->ask.row[0], "groups");
	if (w->c->step == 2) {
		wanted = text_of(w->c->form[1], "groups", a);
		wanted = wanted ? wanted : "";
		w->ask.verb = "set";
		w->ask.arg[1] = (struct hook_admin_arg){ "add", lines_without(wanted, present, a) };
		w->ask.arg[2] = (struct hook_admin_arg){ "remove", lines_without(present, wanted, a) };
		return hook_admin(h, &w->ask, w, groups_set);
	}
	x = command_form(w->c, w->action->command.name, "One group a line. Policies go by them.");
	form_add(w->c->answer, x, "hidden", "FORM_TYPE", NULL, FORM_ADMIN);
	field = form_add(w->c->answer, x, "text-multi", "groups", "Groups of the organisation", NULL);
	for (; *present; present += strcspn(present, "\n"), present += *present == '\n')
		form_add_value(w->c->answer, field, arena_strndup(a, present, strcspn(present, "\n")));
	return command_send(h, w->c);
}

static enum hook_verdict
ask_groups(struct hook *h, struct work *w, const struct form *f)
{
	const char *jid = form_value(f, "accountjid");

	if (!jid || (w->c->step == 2 && !form_find(w->c->form[1], "groups")))
		return command_bad_form(h, jid ? "a list of groups is needed" : "an address is needed");
	w->ask.arg[0] = (struct hook_admin_arg){ "jid", jid };
	return hook_admin(h, &w->ask, w, groups_known);
}

static enum hook_verdict
run(struct hook *h, struct command *c)
{
	const struct action *a = action_of(c);
	const struct form *f = c->step ? c->form[0] : NULL;
	struct work *w;

	if (!c->step && c->def->steps)
		return show_form(h, c, a);
	if (f && f->form_type && strcmp(f->form_type, FORM_ADMIN) != 0)
		return command_bad_form(h, "not the form of this command");
	w = arena_zalloc(hook_memory(h), sizeof(*w));
	w->c = c;
	w->action = a;
	w->ask.noun = a->noun;
	w->ask.verb = a->verb;
	switch (a->form) {
	case FORM_ADD:
		return ask_password(h, w, f, true);
	case FORM_PASSWORD:
		return ask_password(h, w, f, false);
	case FORM_ACCOUNT:
		return ask_account(h, w, f);
	case FORM_ACCOUNTS:
		return ask_accounts(h, w, f);
	case FORM_MOST:
		return ask_list(h, w, f);
	case FORM_TEXT:
		return ask_announce(h, w, f);
	case FORM_GROUPS:
		return ask_groups(h, w, f);
	case FORM_NONE:
		break;
	}
	return hook_admin(h, &w->ask, w, answered);
}

static int
attach(struct module *m)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		module_command(m, &actions[i].command);
	return 0;
}

const struct module_def administration_module = {
	.name = "administration",
	.about = "Service Administration (XEP-0133)",
	.attach = attach,
};
