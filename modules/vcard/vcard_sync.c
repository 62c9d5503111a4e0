/*
 * vcard_sync: what the owner publishes at the node urn:xmpp:vcard4 goes into the vCard that vcard-temp shows.
 *
 * An event of that node only says that something has changed: the item is then asked for, so that two events in a row do
 * not end with the older one. A node that not everybody may read is left alone, as everybody may read vcard-temp.
 */
#include <string.h>

#include "base/log.h"
#include "vcard4.h"
#include "vcard_memory.h"
#include "xmpp/ns.h"
#include "xmpp/pubsub.h"
#include "xmpp/serialize.h"

struct sync {
	struct vcard_job job; /* first: it is what the job is given */
	const char *vcard4;   /* the item's payload; NULL: none */
	unsigned sets;        /* vCards set when the item was asked for */
};

/* The memory of this chain has grown enough. */
void
vcard_sync_again(struct hook *h)
{
	struct stanza *iq = stanza_new(NS_CLIENT, "iq");

	elem_set(iq, iq->root, "type", "set");
	elem_set(iq, iq->root, "id", "vcard4");
	elem_add(iq, iq->root, NS_PHOTO, "vcard4");
	module_send(iq, h->account, h->account);
}

static enum hook_verdict
end(struct hook *h)
{
	struct vcard_memory *m = module_data(h);

	/* While a vCard is being set, the end of that looks again. */
	if (m && m->again && !m->settling) {
		m->again = false;
		vcard_sync_again(h);
	}
	if (m)
		m->syncing = false;
	return h->stage == HOOK_IQ ? hook_done(h) : HOOK_NEXT;
}

static enum hook_verdict
on_stored(struct hook *h, void *data, bool ok)
{
	(void)data;
	if (!ok)
		log_warning(NULL, "vcard4-not-taken-over", "account=%s", jid_bare(h->account));
	return end(h);
}

/* What vCard4 cannot say stays as it was. */
static const char *
merged(struct arena *a, const char *vcard, const char *vcard4)
{
	struct stanza *old = vcard ? vcard_parse(vcard) : NULL;
	struct stanza *new = vcard4 ? vcard_parse(vcard4) : NULL;
	struct stanza *st = stanza_new(NS_VCARD, "vCard");
	const char *text = NULL;

	if (new)
		vcard4_to_temp(st, st->root, new->root);
	for (const struct elem *e = old ? elem_first(old->root) : NULL; e; e = elem_next(e, NULL, NULL))
		if (!vcard4_knows(e))
			elem_add_copy(st, st->root, e);
	if (elem_first(st->root))
		text = vcard_text_of(a, st->root);
	stanza_unref(old);
	stanza_unref(new);
	stanza_unref(st);
	return text;
}

static enum hook_verdict
on_configuration(struct hook *h, void *data, bool ok)
{
	struct sync *s = data;
	struct vcard_memory *m = module_data(h);
	const char *access = ok ? pubsub_access_model(h->answer, h->arena) : NULL;

	/* A vCard was set since: the item may be older. */
	if (!m || m->settling || m->sets != s->sets) {
		if (m)
			m->again = true;
		return end(h);
	}
	/* No node any more: it was deleted, and so is what it said. */
	if (s->vcard4 && (!access || strcmp(access, "open")))
		return end(h);
	s->job.row.vcard = merged(hook_memory(h), s->job.row.vcard, s->vcard4);
	s->job.row.vcard4 = s->vcard4;
	return hook_job(h, &s->job, vcard_store_put_text, on_stored);
}

static enum hook_verdict
on_row(struct hook *h, void *data, bool ok)
{
	struct sync *s = data;
	const char *have = s->job.row.vcard4;

	if (!ok || (!have && !s->vcard4) || (have && s->vcard4 && !strcmp(have, s->vcard4)))
		return end(h);
	return hook_ask(h, h->account, pubsub_configure(NODE_VCARD4, NULL), 0, s, on_configuration);
}

static enum hook_verdict
on_item(struct hook *h, void *data, bool ok)
{
	struct sync *s = data;
	const struct elem *item = ok ? pubsub_first_item(h->answer) : NULL;
	const struct elem *vcard4 = item ? elem_child(item, NS_VCARD4, "vcard") : NULL;

	/* No node or no item; another error says nothing about what there is. */
	if (!ok || (!pubsub_is_result(h->answer) && xerror_of(h->answer->root) != XERROR_ITEM_NOT_FOUND))
		return end(h);
	if (vcard4 && serialize_size(vcard4, NULL) > module_limits()->vcard_bytes)
		return end(h);
	s->vcard4 = vcard4 && elem_first(vcard4) ? vcard_text_of(hook_memory(h), vcard4) : NULL;
	s->job.account = h->account_id;
	return hook_job(h, &s->job, vcard_store_get, on_row);
}

static enum hook_verdict
begin(struct hook *h, struct vcard_memory *m)
{
	struct sync *s;

	if (m->syncing) {
		m->again = true;
		return h->stage == HOOK_IQ ? hook_done(h) : HOOK_NEXT;
	}
	m->syncing = true;
	s = arena_zalloc(hook_memory(h), sizeof(*s));
	s->sets = m->sets;
	return hook_ask(h, h->account, pubsub_items_get(NODE_VCARD4, NULL, 1), 0, s, on_item);
}

enum hook_verdict
vcard_sync_event(struct hook *h)
{
	struct vcard_memory *m;
	const char *node;

	if (!jid_is_bare(h->from) || !jid_equal(h->from, h->account))
		return HOOK_NEXT;
	node = pubsub_event_node(h->stanza);
	m = node && !strcmp(node, NODE_VCARD4) ? module_data(h) : NULL;
	if (m)
		(void)begin(h, m); /* beside the message, which goes on */
	return HOOK_NEXT;
}

enum hook_verdict
vcard_sync_iq(struct hook *h)
{
	struct vcard_memory *m = module_data(h);

	return m && module_relation(h) == MODULE_SELF && jid_is_bare(h->from) ? begin(h, m) : HOOK_NEXT;
}
