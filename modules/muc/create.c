/* create: see create.h. */
#include "create.h"

#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/metric.h"
#include "config.h"
#include "room_store.h"
#include "xmpp/ns.h"

struct creation {
	struct room_row row; /* first: what the job sees */
	struct room *room;
	void *data;
	hook_then_fn then;
};

static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	struct creation *c = data;

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
	struct creation *c = data;

	return ok ? hook_job(h, c, room_store_create, stored) : c->then(h, c->data, false);
}

static void
fill(struct creation *c, const struct hook *h, struct arena *a)
{
	struct room_row_affiliate *owner = arena_zalloc(a, sizeof(*owner));

	owner->jid = arena_strdup(a, jid_bare(h->from));
	owner->affiliation = AFFILIATION_OWNER;
	c->row.jid = jid_bare(c->room->jid);
	c->row.domain = jid_domain(c->room->jid);
	c->row.creator = owner->jid;
	c->row.run = module_run();
	crypt_random(c->row.secret, sizeof(c->row.secret));
	config_set_defaults(&c->row.config);
	c->row.affiliate = owner;
	c->row.naffiliates = 1;
}

enum hook_verdict
create_room(struct hook *h, struct room *r, void *data, hook_then_fn then)
{
	struct creation *c = arena_zalloc(hook_memory(h), sizeof(*c));
	struct stanza *st;
	struct elem *x;

	c->room = r;
	c->data = data;
	c->then = then;
	fill(c, h, hook_memory(h));
	st = room_note(r, &x);
	room_note_item(st, x, jid_full(h->from), NULL, AFFILIATION_OWNER, ROLE_MODERATOR, NULL);
	room_note_status(st, x, MUC_CREATED);
	hook_record_stanza(h, RECORD_ROOM_CONFIG, st, h->from, r->jid, NULL, c, recorded);
	stanza_unref(st);
	return HOOK_WAIT;
}
