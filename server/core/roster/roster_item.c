/*
 * roster_item: an item of a roster (RFC 6121 §2.1.2): its rules, and its forms as a row and as XML.
 *
 * Called by roster.c and roster_change.c. Pure: no user, no session, no time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/roster/roster_priv.h"
#include "xmpp/ns.h"

struct roster_item *
roster_item_new(struct jid *jid)
{
	struct roster_item *i = NEW(struct roster_item);

	i->jid = jid_ref(jid);
	return i;
}

static char *
copy_or_null(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static void
free_text(struct roster_item *i)
{
	for (unsigned g = 0; g < i->ngroups; g++)
		free(i->groups[g]);
	free(i->groups);
	free(i->name);
	i->name = NULL;
	i->groups = NULL;
	i->ngroups = 0;
}

void
roster_item_free(struct roster_item *i)
{
	if (!i)
		return;
	free_text(i);
	free(i->request);
	jid_unref(i->jid);
	free(i);
}

static char **
copy_groups(const char *const *groups, size_t n)
{
	char **copy = n ? mem_alloc(n * sizeof(*copy)) : NULL;

	for (size_t g = 0; g < n; g++)
		copy[g] = mem_strdup(groups[g]);
	return copy;
}

struct roster_item *
roster_item_copy(const struct roster_item *i)
{
	struct roster_item *c = roster_item_new(i->jid);

	c->name = copy_or_null(i->name);
	c->groups = copy_groups((const char *const *)i->groups, i->ngroups);
	c->ngroups = i->ngroups;
	c->subscription = i->subscription;
	c->ask = i->ask;
	c->approved = i->approved;
	c->listed = i->listed;
	c->version = i->version;
	c->request = copy_or_null(i->request);
	return c;
}

void
roster_item_take_text(struct roster_item *i, struct roster_item *from)
{
	free_text(i);
	i->name = from->name;
	i->groups = from->groups;
	i->ngroups = from->ngroups;
	from->name = NULL;
	from->groups = NULL;
	from->ngroups = 0;
}

/* State */

struct subscription
roster_item_state(const struct roster_item *i)
{
	struct subscription s = { 0 };

	if (!i)
		return s;
	s.state = subscription_normal(i->subscription | (i->ask ? SUB_ASK : 0) | (i->request ? SUB_ASKED : 0));
	s.approved = i->approved;
	return s;
}

void
roster_item_set_state(struct roster_item *i, struct subscription s)
{
	i->subscription = s.state & SUB_BOTH;
	i->ask = (s.state & SUB_ASK) != 0;
	i->approved = s.approved;
	if (s.state & SUB_ASKED)
		return;
	free(i->request);
	i->request = NULL;
}

/* Rows */

struct roster_item *
roster_item_from_row(const struct roster_row *row)
{
	struct jid *jid = jid_parse_z(row->jid);
	struct roster_item *i;

	if (!jid)
		return NULL;
	i = roster_item_new(jid);
	jid_unref(jid);
	i->name = copy_or_null(row->name);
	i->groups = copy_groups(row->groups, row->ngroups);
	i->ngroups = (unsigned)row->ngroups;
	i->subscription = row->subscription & SUB_BOTH;
	i->ask = row->ask;
	i->listed = row->listed;
	i->version = row->version;
	i->request = copy_or_null(row->request);
	i->approved = row->approved;
	roster_item_set_state(i, roster_item_state(i));
	return i;
}

void
roster_item_to_row(const struct roster_item *i, struct arena *a, struct roster_row *out)
{
	const char **groups = arena_alloc(a, (i->ngroups + 1) * sizeof(*groups));

	for (unsigned g = 0; g < i->ngroups; g++)
		groups[g] = arena_strdup(a, i->groups[g]);
	*out = (struct roster_row){
		.jid = arena_strdup(a, jid_full(i->jid)),
		.name = i->name ? arena_strdup(a, i->name) : NULL,
		.groups = groups,
		.ngroups = i->ngroups,
		.subscription = i->subscription,
		.ask = i->ask,
		.approved = i->approved,
		.listed = i->listed,
		.version = i->version,
		.request = i->request ? arena_strdup(a, i->request) : NULL,
	};
}

/* XML */

static enum xerror
parse_jid(const struct elem *e, const struct jid *own, struct jid **out)
{
	const char *s = elem_get(e, "jid");

	if (!s)
		return XERROR_BAD_REQUEST;
	*out = jid_parse_z(s);
	if (!*out)
		return XERROR_JID_MALFORMED;
	if (!jid_equal_bare(*out, own))
		return XERROR_NONE;
	/* RFC 6121 leaves oneself in one's roster open; one is subscribed to oneself without it (§4.2.2). */
	jid_unref(*out);
	*out = NULL;
	return XERROR_NOT_ALLOWED;
}

static bool
has_group(const struct roster_item *i, const char *name)
{
	for (unsigned g = 0; g < i->ngroups; g++)
		if (!strcmp(i->groups[g], name))
			return true;
	return false;
}

/* §2.3.3: duplicates are bad-request, empty and too long ones not-acceptable. */
static enum xerror
parse_groups(struct roster_item *i, const struct elem *e, const struct limits *l, struct arena *scratch)
{
	for (const struct elem *g = elem_child(e, NS_ROSTER, "group"); g; g = elem_next(g, NS_ROSTER, "group")) {
		const char *name = elem_text(g, scratch);

		if (!*name || strlen(name) > l->roster_name_bytes || i->ngroups >= l->roster_groups)
			return XERROR_NOT_ACCEPTABLE;
		if (has_group(i, name))
			return XERROR_BAD_REQUEST;
		i->groups = mem_realloc(i->groups, (i->ngroups + 1) * sizeof(*i->groups));
		i->groups[i->ngroups++] = mem_strdup(name);
	}
	return XERROR_NONE;
}

static enum xerror
parse_text(struct roster_item *i, const struct elem *e, const struct limits *l, struct arena *scratch)
{
	const char *name = elem_get(e, "name");

	if (name && strlen(name) > l->roster_name_bytes)
		return XERROR_NOT_ACCEPTABLE;
	i->name = name && *name ? mem_strdup(name) : NULL;
	return parse_groups(i, e, l, scratch);
}

enum xerror
roster_item_parse(const struct elem *e, const struct jid *own, const struct limits *l, struct arena *scratch,
	struct roster_item **out, bool *remove)
{
	const char *subscription = elem_get(e, "subscription");
	struct jid *jid;
	enum xerror x = parse_jid(e, own, &jid);

	if (x)
		return x;
	*out = roster_item_new(jid);
	jid_unref(jid);
	*remove = subscription && !strcmp(subscription, "remove");
	if (!*remove)
		x = parse_text(*out, e, l, scratch);
	if (x) {
		roster_item_free(*out);
		*out = NULL;
	}
	return x;
}

void
roster_item_write(struct stanza *st, struct elem *query, const struct roster_item *i)
{
	struct elem *e = elem_add(st, query, NS_ROSTER, "item");

	elem_set(st, e, "jid", jid_full(i->jid));
	if (i->name)
		elem_set(st, e, "name", i->name);
	elem_set(st, e, "subscription", subscription_name(i->subscription));
	if (i->ask)
		elem_set(st, e, "ask", "subscribe");
	if (i->approved)
		elem_set(st, e, "approved", "true");
	for (unsigned g = 0; g < i->ngroups; g++)
		elem_add_text(st, elem_add(st, e, NS_ROSTER, "group"), i->groups[g], strlen(i->groups[g]));
}

void
roster_item_write_removed(struct stanza *st, struct elem *query, const char *jid)
{
	struct elem *e = elem_add(st, query, NS_ROSTER, "item");

	elem_set(st, e, "jid", jid);
	elem_set(st, e, "subscription", "remove");
}

static size_t
escaped(const char *s)
{
	size_t n = 0;

	for (; s && *s; s++)
		n += strchr("&<>'\"\t\r\n", *s) ? 6 : 1;
	return n;
}

size_t
roster_item_bytes(const struct roster_item *i)
{
	size_t n = sizeof("<item jid='' name='' subscription='none' ask='subscribe' approved='true'></item>");

	n += escaped(jid_full(i->jid)) + escaped(i->name);
	for (unsigned g = 0; g < i->ngroups; g++)
		n += sizeof("<group></group>") + escaped(i->groups[g]);
	return n;
}

/* Versions */

/* The store keeps this many removals at least (store/roster_store.c). */
#define REMOVALS_KEPT 500

char *
roster_version_write(char out[ROSTER_VERSION_TEXT], int64_t account, uint64_t version)
{
	snprintf(out, ROSTER_VERSION_TEXT, "%" PRId64 "-%" PRIu64, account, version);
	return out;
}

bool
roster_version_read(const char *s, int64_t account, uint64_t current, uint64_t *since)
{
	const char *dash = strchr(s, '-');
	uint64_t id;

	if (!dash || !text_u64(s, (size_t)(dash - s), 1, INT64_MAX, &id) || (int64_t)id != account)
		return false;
	return text_u64(dash + 1, strlen(dash + 1), 0, current, since);
}

bool
roster_knows_since(const struct roster *r, uint64_t since)
{
	if (since < r->floor)
		return false;
	/* A removal of ours may have pushed out any of those that were there, none of our own. */
	return !r->removals || (since >= r->loaded && r->removals < REMOVALS_KEPT);
}
