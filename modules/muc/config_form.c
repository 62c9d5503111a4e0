/*
 * config_form: one table of fields; each has a place in struct room_config, or is the list of people that has none there.
 */
#include "config_form.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "muc.h"

enum kind { FLAG, TEXT, LANG, PM, ROLES, USERS, HISTORY, WHOIS, PROTECTED, SECRET, CONTACTS, ADMINS, OWNERS };

static const struct field {
	const char *var;
	enum kind kind;
	size_t offset;
	const char *label;
} fields[] = {
#define AT(member) offsetof(struct room_config, member)
	{ "muc#roomconfig_roomname", TEXT, AT(name), "Name of the room" },
	{ "muc#roomconfig_roomdesc", TEXT, AT(description), "Short description" },
	{ "muc#roomconfig_lang", LANG, AT(lang), "Language of the discussion" },
	{ "muc#roomconfig_persistentroom", FLAG, AT(persistent), "The room stays when everybody has left" },
	{ "muc#roomconfig_publicroom", FLAG, AT(listed), "The room can be found" },
	{ "muc#roomconfig_membersonly", FLAG, AT(members_only), "Only members may enter" },
	{ "muc#roomconfig_allowinvites", FLAG, AT(invites), "Members may invite others, who become members" },
	{ "muc#roomconfig_passwordprotectedroom", PROTECTED, AT(password), "A password is needed to enter" },
	{ "muc#roomconfig_roomsecret", SECRET, AT(password), "The password" },
	{ "muc#roomconfig_moderatedroom", FLAG, AT(moderated), "Only who has voice may speak" },
	{ "muc#roomconfig_changesubject", FLAG, AT(change_subject), "Whoever has voice may change the subject" },
	{ "muc#roomconfig_whois", WHOIS, AT(whois_anyone), "Who may see real addresses" },
	{ "muc#roomconfig_allowpm", PM, AT(pm), "Who may send private messages" },
	{ "muc#roomconfig_presencebroadcast", ROLES, AT(broadcast), "Whose presence is shown" },
	{ "muc#roomconfig_getmemberlist", ROLES, AT(member_list), "Who may have the list of members" },
	{ "muc#roomconfig_maxusers", USERS, AT(max_users), "Most occupants" },
	{ "muc#maxhistoryfetch", HISTORY, AT(history), "Most past messages shown to who enters" },
	{ "muc#roomconfig_enablelogging", FLAG, AT(history_for_all), "The archive is open to who is not inside, too" },
	{ "muc#roominfo_contactjid", CONTACTS, AT(contacts), "Contact addresses" },
	{ "muc#roomconfig_roomadmins", ADMINS, 0, "Administrators" },
	{ "muc#roomconfig_roomowners", OWNERS, 0, "Owners" },
#undef AT
};

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

struct choice {
	const char *name, *label;
	unsigned value;
};
static const struct choice pms[] = {
	{ "anyone", "Anyone", ROOM_PM_ANYONE },
	{ "participants", "Who has voice", ROOM_PM_PARTICIPANTS },
	{ "moderators", "Moderators", ROOM_PM_MODERATORS },
	{ "none", "Nobody", ROOM_PM_NONE },
}, roles[] = {
	{ "moderator", "Moderators", ROLE_BIT(ROLE_MODERATOR) },
	{ "participant", "Participants", ROLE_BIT(ROLE_PARTICIPANT) },
	{ "visitor", "Visitors", ROLE_BIT(ROLE_VISITOR) },
}, whois[] = {
	{ "moderators", "Moderators", false },
	{ "anyone", "Anyone", true },
};

static void *
place(const struct room_config *c, const struct field *f)
{
	return (char *)c + f->offset;
}

/* Reading */

/* What the fields say, before it is known whether they fit together. */
struct reading {
	struct config_wish *wish;
	const struct config_bounds *bounds;
	bool protected_said, protected;
	const char *secret; /* NULL: not said */
};

static bool
read_flag(const char *text, bool *out)
{
	*out = !strcmp(text, "1") || !strcmp(text, "true");
	return *out || !strcmp(text, "0") || !strcmp(text, "false");
}

static const struct choice *
choice_find(const struct choice *c, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(c[i].name, name))
			return &c[i];
	return NULL;
}

static void
set_text(char **at, const char *text)
{
	free(*at);
	*at = *text ? mem_strdup(text) : NULL;
}

/* BCP 47 as far as it matters here. */
static bool
is_lang(const char *s)
{
	size_t n = strlen(s);

	return n <= 35 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == n && *s != '-';
}

static const char *
read_text(const struct reading *r, const struct field *f, const char *text)
{
	if (f->kind == LANG && !is_lang(text))
		return "that is not a language";
	if (strlen(text) > r->bounds->text)
		return "a text is too long";
	set_text(place(&r->wish->value, f), text);
	return NULL;
}

static const char *
read_roles(const struct form_field *given, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < given->n; i++) {
		const struct choice *c = choice_find(roles, COUNT(roles), given->value[i]);

		if (!c)
			return "there is no such role";
		*out |= c->value;
	}
	return NULL;
}

/* "none" is 0; more than the server takes is the most it takes. */
static const char *
read_users(const struct reading *r, const char *text, unsigned *out)
{
	uint64_t n;

	if (!*text || !strcmp(text, "none")) {
		*out = 0;
		return NULL;
	}
	if (!text_u64(text, strlen(text), 1, UINT_MAX, &n))
		return "the number of occupants is no number";
	*out = (unsigned)(n < r->bounds->users ? n : r->bounds->users);
	return NULL;
}

static const char *
read_history(const struct reading *r, const char *text, unsigned *out)
{
	uint64_t n;

	if (!text_u64(text, strlen(text), 0, UINT_MAX, &n))
		return "the number of past messages is no number";
	*out = (unsigned)(n < r->bounds->history ? n : r->bounds->history);
	return NULL;
}

/* Addresses, a line each. */
static const char *
read_contacts(const struct reading *r, const struct form_field *given, char **out)
{
	struct buf lines = { 0 };
	const char *why = NULL;

	for (unsigned i = 0; i < given->n && !why; i++) {
		struct jid *j = jid_parse_z(given->value[i]);

		if (!j)
			why = "a contact is no address";
		else
			buf_addf(&lines, "%s%s", buf_len(&lines) ? "\n" : "", jid_bare(j));
		jid_unref(j);
	}
	if (!why && buf_len(&lines) > r->bounds->text)
		why = "these are too many contacts";
	if (!why)
		set_text(out, buf_str(&lines));
	buf_fini(&lines);
	return why;
}

static const char *
read_secret(struct reading *r, const char *text)
{
	if (strlen(text) > r->bounds->text)
		return "the password is too long";
	r->secret = text;
	return NULL;
}

/* NULL, or why not. */
static const char *
read_field(struct reading *r, const struct field *f, const struct form_field *given)
{
	void *at = place(&r->wish->value, f);
	const char *text = given->n ? given->value[0] : "";
	const struct choice *c;

	switch (f->kind) {
	case FLAG:
		return read_flag(text, at) ? NULL : "a field that is yes or no is something else";
	case TEXT:
	case LANG:
		return read_text(r, f, text);
	case PM:
		c = choice_find(pms, COUNT(pms), text);
		if (c)
			*(enum room_pm *)at = (enum room_pm)c->value;
		return c ? NULL : "private messages cannot be restricted like that";
	case WHOIS:
		c = choice_find(whois, COUNT(whois), text);
		if (c)
			*(bool *)at = c->value;
		return c ? NULL : "real addresses are seen by moderators, or by anyone";
	case ROLES:
		return read_roles(given, at);
	case USERS:
		return read_users(r, text, at);
	case HISTORY:
		return read_history(r, text, at);
	case PROTECTED:
		r->protected_said = true;
		return read_flag(text, &r->protected) ? NULL : "a field that is yes or no is something else";
	case SECRET:
		return read_secret(r, text);
	case CONTACTS:
		return read_contacts(r, given, at);
	case ADMINS:
		r->wish->admins = given;
		return NULL;
	case OWNERS:
		r->wish->owners = given;
		return NULL;
	}
	return NULL;
}

/* §10.1.3: a room that asks for a password has one. Who names a password and says nothing else wants it. */
static const char *
settle_password(const struct reading *r)
{
	char **password = &r->wish->value.password;
	bool wanted = r->protected_said ? r->protected : r->secret ? *r->secret : *password != NULL;

	if (!wanted) {
		if (*password)
			crypt_wipe(*password, strlen(*password));
		set_text(password, "");
	} else if (r->secret) {
		set_text(password, r->secret);
	}
	return wanted && !*password ? "the password is empty" : NULL;
}

static const struct field *
field_find(const char *var)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (!strcmp(fields[i].var, var))
			return &fields[i];
	return NULL;
}

void
config_form_read(struct config_wish *w, const struct form *form, const struct room_config *now, const struct config_bounds *b)
{
	struct reading r = { .wish = w, .bounds = b };

	*w = (struct config_wish){ 0 };
	config_copy(&w->value, now);
	for (const struct form_field *given = form->first; given && !w->why; given = given->next) {
		const struct field *f = field_find(given->var);

		if (f)
			w->why = read_field(&r, f, given);
	}
	if (!w->why)
		w->why = settle_password(&r);
}

/* Comparing */

static bool
is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
is_same(const struct field *f, const struct room_config *a, const struct room_config *b)
{
	const void *x = place(a, f), *y = place(b, f);

	switch (f->kind) {
	case FLAG:
	case WHOIS:
		return *(const bool *)x == *(const bool *)y;
	case TEXT:
	case LANG:
	case SECRET:
	case PROTECTED:
	case CONTACTS:
		return is_same_text(*(char *const *)x, *(char *const *)y);
	case PM:
		return *(const enum room_pm *)x == *(const enum room_pm *)y;
	case ROLES:
	case USERS:
	case HISTORY:
		return *(const unsigned *)x == *(const unsigned *)y;
	case ADMINS:
	case OWNERS:
		break;
	}
	return true;
}

void
config_changes(const struct room_config *was, const struct room_config *is, unsigned code[CONFIG_CHANGES_MAX])
{
	bool other = false;
	unsigned n = 0;

	if (was->history_for_all != is->history_for_all)
		code[n++] = is->history_for_all ? 170 : 171;
	if (was->whois_anyone != is->whois_anyone)
		code[n++] = is->whois_anyone ? 172 : 173;
	for (size_t i = 0; i < COUNT(fields); i++)
		if (fields[i].offset != offsetof(struct room_config, history_for_all) && fields[i].kind != WHOIS)
			other |= !is_same(&fields[i], was, is);
	if (other)
		code[n++] = 104;
	code[n] = 0;
}

/* Writing */

/* A form being written: labels and options are for who fills it in. */
struct writing {
	struct stanza *st;
	struct elem *x;
	bool asks;
	const struct room_config *config;
	const struct config_names *admins, *owners;
	const struct config_bounds *bounds;
	struct arena *arena;
};

static struct elem *
add(const struct writing *w, const struct field *f, const char *type, const char *value)
{
	return form_add(w->st, w->x, w->asks ? type : NULL, f->var, w->asks ? f->label : NULL, value);
}

static void
add_options(const struct writing *w, struct elem *field, const struct choice *c, size_t n)
{
	for (size_t i = 0; w->asks && i < n; i++)
		form_add_option(w->st, field, c[i].label, c[i].name);
}

static void
write_roles(const struct writing *w, const struct field *f, unsigned set)
{
	struct elem *e = add(w, f, "list-multi", NULL);

	for (size_t i = 0; i < COUNT(roles); i++)
		if (set & roles[i].value)
			form_add_value(w->st, e, roles[i].name);
	add_options(w, e, roles, COUNT(roles));
}

static void
write_choice(const struct writing *w, const struct field *f, const struct choice *c, size_t n, unsigned value)
{
	const char *name = "";

	for (size_t i = 0; i < n; i++)
		if (c[i].value == value)
			name = c[i].name;
	add_options(w, add(w, f, "list-single", name), c, n);
}

static void
write_users(const struct writing *w, const struct field *f, unsigned value)
{
	static const unsigned usual[] = { 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000 };
	const char *now = value ? arena_printf(w->arena, "%u", value) : "none";
	struct elem *e = add(w, f, "list-single", now);
	bool listed = !value;

	for (size_t i = 0; w->asks && i < COUNT(usual) && usual[i] <= w->bounds->users; i++) {
		form_add_option(w->st, e, NULL, arena_printf(w->arena, "%u", usual[i]));
		listed |= usual[i] == value;
	}
	if (w->asks && !listed)
		form_add_option(w->st, e, NULL, now);
	if (w->asks)
		form_add_option(w->st, e, "As many as the server allows", "none");
}

static void
write_names(const struct writing *w, const struct field *f, const struct config_names *names)
{
	struct elem *e = add(w, f, "jid-multi", NULL);

	for (unsigned i = 0; i < names->n; i++)
		form_add_value(w->st, e, names->name[i]);
}

static void
write_contacts(const struct writing *w, const struct field *f, const char *lines)
{
	struct elem *e = add(w, f, "jid-multi", NULL);

	for (size_t n; lines && *lines; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		form_add_value(w->st, e, arena_strndup(w->arena, lines, n));
	}
}

static const char *
flag(bool on)
{
	return on ? "1" : "0";
}

static const char *
text_or_empty(const char *s)
{
	return s ? s : "";
}

static void
write_field(const struct writing *w, const struct field *f)
{
	const struct room_config *c = w->config;
	const void *at = place(c, f);

	switch (f->kind) {
	case FLAG:
		add(w, f, "boolean", flag(*(const bool *)at));
		break;
	case PROTECTED:
		add(w, f, "boolean", flag(c->password));
		break;
	case TEXT:
	case LANG:
		add(w, f, "text-single", text_or_empty(*(char *const *)at));
		break;
	case SECRET:
		if (w->asks)
			add(w, f, "text-private", text_or_empty(c->password));
		break;
	case PM:
		write_choice(w, f, pms, COUNT(pms), c->pm);
		break;
	case WHOIS:
		write_choice(w, f, whois, COUNT(whois), c->whois_anyone);
		break;
	case ROLES:
		write_roles(w, f, *(const unsigned *)at);
		break;
	case USERS:
		write_users(w, f, c->max_users);
		break;
	case HISTORY:
		add(w, f, "text-single", arena_printf(w->arena, "%u", c->history));
		break;
	case CONTACTS:
		write_contacts(w, f, c->contacts);
		break;
	case ADMINS:
		if (w->admins)
			write_names(w, f, w->admins);
		break;
	case OWNERS:
		if (w->owners)
			write_names(w, f, w->owners);
		break;
	}
}

void
config_form_write(struct stanza *st, struct elem *parent, const char *type, const char *room, const struct room_config *c,
	const struct config_names *admins, const struct config_names *owners, const struct config_bounds *b, struct arena *a)
{
	const struct writing w = {
		.st = st,
		.x = form_new(st, parent, type, MUC_ROOMCONFIG),
		.asks = !strcmp(type, "form"),
		.config = c,
		.admins = admins,
		.owners = owners,
		.bounds = b,
		.arena = a,
	};

	if (w.asks)
		form_title(st, w.x, arena_printf(a, "Configuration of %s", room), "Change what is to be different.");
	for (size_t i = 0; i < COUNT(fields); i++)
		write_field(&w, &fields[i]);
}
