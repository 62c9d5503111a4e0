/*
 * create: see create.h. The way is: allowed by policy → not too many → record → database → memory.
 */
#include "create.h"

#include <string.h>

#include "admin.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/metric.h"
#include "create_store.h"
#include "muc.h"

struct creating {
	struct room_row row; /* first: what the job sees */
	struct room *room;
	struct room_row_affiliate owner;
	struct hook_who who;
	void *data;
	hook_then_fn then;
};

struct counting {
	struct create_rooms rooms; /* first: what the job sees */
	struct creating *creating;
};

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_ROOM_REFUSED, 1);
	return hook_reject(h, e, text);
}

/* In memory */

static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	struct creating *c = data;

	if (!ok)
		return c->then(h, c->data, false);
	room_take_row(c->room, &c->row);
	metric_add(METRIC_ROOMS_CREATED, 1);
	log_info(NULL, "room-created", "room=%s by=%s", c->row.jid, c->row.creator);
	return c->then(h, c->data, true);
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	struct creating *c = data;

	return ok ? hook_job(h, c, room_store_create, stored) : c->then(h, c->data, false);
}

/* The record says who made it, and who owns it. */
static enum hook_verdict
record(struct hook *h, struct creating *c)
{
	struct room_row *row = &c->row;
	struct elem *x;
	struct stanza *note = room_note(c->room, &x);
	enum hook_verdict v;

	row->jid = jid_bare(c->room->jid);
	row->domain = jid_domain(c->room->jid);
	row->run = module_run();
	crypt_random(row->secret, sizeof(row->secret));
	config_set_defaults(&row->config);
	c->owner = (struct room_row_affiliate){ .jid = row->creator, .affiliation = AFFILIATION_OWNER };
	row->affiliate = &c->owner;
	row->naffiliates = 1;
	room_note_status(note, x, MUC_CREATED);
	room_note_item(note, x, row->creator, NULL, AFFILIATION_OWNER, ROLE_NONE, NULL);
	v = hook_record_stanza(h, RECORD_ROOM_CONFIG, note, h->from, c->room->jid, NULL, c, recorded);
	stanza_unref(note);
	return v;
}

/* Allowed? */

static enum hook_verdict
counted(struct hook *h, void *data, bool ok)
{
	const struct counting *n = data;
	struct creating *c = n->creating;
	const struct limits *l = module_limits();

	if (!ok)
		return c->then(h, c->data, false);
	if (n->rooms.all >= l->rooms_per_creator)
		return refuse(h, XERROR_NOT_ALLOWED, "you have made as many rooms as you may (limits.rooms_per_creator)");
	if (n->rooms.lately >= l->rooms_per_minute) {
		h->error_type = "wait";
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "you make rooms too fast, try again later");
	}
	return record(h, c);
}

static bool
has_line(const char *lines, const char *text)
{
	size_t n = strlen(text);

	for (const char *l = lines; l && *l; l += strcspn(l, "\n"), l += *l == '\n')
		if (!strncmp(l, text, n) && (l[n] == '\n' || !l[n]))
			return true;
	return false;
}

/* rooms.create: "everyone", "admins", or groups of the organisation. Administrators may always. */
static bool
is_allowed(const struct hook_who *w)
{
	const struct config_list *l = &module_settings()->rooms.create;

	if (!w->exists)
		return false;
	if (w->admin)
		return true;
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->item[i], "everyone") || has_line(w->groups, l->item[i]))
			return true;
	return false;
}

static enum hook_verdict
known(struct hook *h, void *data, bool ok)
{
	struct creating *c = data;
	struct counting *n;

	if (!ok)
		return c->then(h, c->data, false);
	if (!is_allowed(&c->who))
		return refuse(h, XERROR_NOT_ALLOWED, "you may not make rooms here"); /* §10.1.1 */
	n = arena_zalloc(hook_memory(h), sizeof(*n));
	n->creating = c;
	n->rooms.creator = c->row.creator;
	return hook_job(h, n, create_store_count, counted);
}

static struct creating *
begin(struct hook *h, struct room *r, void *data, hook_then_fn then)
{
	struct creating *c = arena_zalloc(hook_memory(h), sizeof(*c));

	c->room = r;
	c->data = data;
	c->then = then;
	return c;
}

static void
drop_jid(void *arg)
{
	jid_unref(arg);
}

enum hook_verdict
create_room(struct hook *h, struct room *r, void *data, hook_then_fn then)
{
	struct creating *c = begin(h, r, data, then);
	struct jid *bare = jid_to_bare((struct jid *)h->from);

	arena_on_free(hook_memory(h), drop_jid, bare);
	c->row.creator = jid_bare(bare);
	c->row.locked = module_settings()->rooms.lock;
	c->who.who = bare;
	return hook_who(h, &c->who, c, known);
}

/* For the administrators of the server */

static enum hook_verdict
made(struct hook *h, void *data, bool ok)
{
	(void)data;
	return ok ? hook_done(h) : hook_unavailable(h);
}

/* Nobody is asked, and it is not locked. `owner` is a bare address, in hook_memory(h). */
static enum hook_verdict
create_for(struct hook *h, struct room *r, const char *owner, void *data, hook_then_fn then)
{
	struct creating *c = begin(h, r, data, then);

	c->row.creator = owner;
	return record(h, c);
}

static enum hook_verdict
alone(struct hook *h, void *data, bool ok)
{
	struct room *r = data;
	const char *owner = elem_get(h->payload, "owner");
	struct jid *j = owner ? jid_parse_z(owner) : NULL, *bare = j && jid_local(j) ? jid_to_bare(j) : NULL;

	(void)ok;
	jid_unref(j);
	if (!bare)
		return hook_reject(h, XERROR_JID_MALFORMED, "the owner is no address of a person");
	arena_on_free(hook_memory(h), drop_jid, bare);
	if (r->id)
		return hook_reject(h, XERROR_CONFLICT, "there is such a room");
	return create_for(h, r, jid_bare(bare), NULL, made);
}

enum hook_verdict
create_on_set(struct hook *h, struct room *r)
{
	return admin_is_server(h->from) ? room_alone(h, r, r, alone) : HOOK_NEXT;
}
