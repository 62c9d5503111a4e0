/* destroy: see destroy.h. */
#include "destroy.h"

#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "muc.h"
#include "room_store.h"

struct destroying {
	struct room_row row;         /* first: what the job sees */
	struct room *room;
	struct stanza *note;
	const struct elem *element;  /* <destroy/> in it */
	void *data;
	hook_then_fn then;
};

static void
drop(void *arg)
{
	struct destroying *d = arg;

	stanza_unref(d->note);
}

/* §10.9: each occupant hears of its own leaving, not of that of the others. */
static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	struct destroying *d = data;
	struct room_why why = { .destroy = d->element };

	if (!ok)
		return d->then(h, d->data, false);
	log_info(NULL, "room-destroyed", "room=%s by=%s", jid_bare(d->room->jid), jid_bare(h->from));
	metric_add(METRIC_ROOMS_DESTROYED, 1);
	room_remove_all(d->room, &why);
	room_forget(d->room);
	return d->then(h, d->data, true);
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	struct destroying *d = data;

	if (!ok)
		return d->then(h, d->data, false);
	d->row.id = d->room->id;
	return hook_job(h, d, room_store_destroy, stored);
}

static void
add_text(struct stanza *st, struct elem *parent, const char *name, const char *text)
{
	if (text && *text)
		elem_add_text(st, elem_add(st, parent, NULL, name), text, strlen(text));
}

enum hook_verdict
destroy_room(struct hook *h, struct room *r, const struct destroy_why *why, void *data, hook_then_fn then)
{
	struct destroying *d = arena_zalloc(hook_memory(h), sizeof(*d));
	const struct room_why gone = { 0 };
	struct elem *x, *e;

	d->room = r;
	d->data = data;
	d->then = then;
	d->note = room_note(r, &x);
	arena_on_free(hook_memory(h), drop, d);
	e = elem_add(d->note, x, NULL, "destroy");
	if (why->alternate)
		elem_set(d->note, e, "jid", jid_bare(why->alternate));
	add_text(d->note, e, "reason", why->reason);
	add_text(d->note, e, "password", why->password);
	ROOM_EACH_OCCUPANT(o, r)
		room_note_occupant(d->note, x, o, o->affiliation, ROLE_NONE, &gone);
	d->element = e;
	return hook_record_stanza(h, RECORD_ROOM_CONFIG, d->note, h->from, r->jid, why->reason, d, recorded);
}
