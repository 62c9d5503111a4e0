/*
 * vcard: vCards (XEP-0054), the same as vCard4 (XEP-0292), and the photo's hash in presence (XEP-0153, XEP-0398).
 *
 * A vCard is kept as it was set, its photo apart from it: presence needs only the photo's hash, and a photo can be
 * replaced alone. Setting one is recorded before it is stored. Then the picture goes to the module avatar, which publishes it
 * (XEP-0084), and the rest to the node urn:xmpp:vcard4; what is published there comes back by vcard_sync.c.
 *
 * The module avatar hands in published pictures by <photo xmlns='urn:chancery:photo:0'/>, see README.md.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "vcard4.h"
#include "vcard_memory.h"
#include "vcard_photo.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/pubsub.h"
#include "xmpp/serialize.h"

/* Texts */

const char *
vcard_text_of(struct arena *a, const struct elem *e)
{
	struct buf b = { 0 };
	const char *s;

	serialize_elem(&b, e, NULL);
	s = arena_strndup(a, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

struct stanza *
vcard_parse(const char *xml)
{
	return parser_one(xml, strlen(xml), NULL, NULL);
}

/* The <vcard/> of a <vCard/> as text; NULL when it would be empty. */
static const char *
as_vcard4(struct arena *a, const struct elem *vcard)
{
	struct stanza *st = stanza_new(NS_VCARD4, "vcard");
	const char *s;

	vcard4_from_temp(st, st->root, vcard);
	s = elem_first(st->root) ? vcard_text_of(a, st->root) : NULL;
	stanza_unref(st);
	return s;
}

/* The vCard without the picture, as it was set otherwise; NULL when nothing is left. */
static const char *
without_photo(struct arena *a, const struct elem *vcard, const struct elem *photo)
{
	struct stanza *st = stanza_new(NS_VCARD, "vCard");
	const char *s;

	for (const struct attr *t = vcard->attrs; t; t = t->next)
		elem_set_ns(st, st->root, t->ns, t->name, t->value);
	for (const struct elem *e = elem_first(vcard); e; e = elem_next(e, NULL, NULL))
		if (e != photo)
			elem_add_copy(st, st->root, e);
	s = elem_first(st->root) ? vcard_text_of(a, st->root) : NULL;
	stanza_unref(st);
	return s;
}

/* What people read: "FN: Juliet Capulet", a line for each property; no pictures, sounds and keys. */
static const char *
readable(struct arena *a, const struct elem *vcard)
{
	struct buf b = { 0 };
	const char *s;

	for (const struct elem *e = elem_first(vcard); e; e = elem_next(e, NULL, NULL)) {
		bool any = false;

		for (const struct elem *t = elem_walk(e, e); t; t = elem_walk(e, t)) {
			size_t n = t->name ? 0 : t->text_len, skip = n ? strspn(t->text, " \t\r\n") : 0;

			if (skip == n || elem_is(t->parent, NS_VCARD, "BINVAL") || elem_is(t->parent, NS_VCARD, "CRED"))
				continue;
			buf_adds(&b, any ? " " : e->name);
			buf_adds(&b, any ? "" : ": ");
			buf_add(&b, t->text + skip, n - skip);
			any = true;
		}
		if (any)
			buf_addc(&b, '\n');
	}
	s = buf_len(&b) ? arena_strndup(a, buf_str(&b), buf_len(&b)) : NULL;
	buf_fini(&b);
	return s;
}

/* Get */

static enum hook_verdict
none(struct hook *h)
{
	/* §3.3: nobody can tell an account without a vCard from none. */
	if (module_relation(h) == MODULE_SELF)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
}

static bool
may_see_photo(struct hook *h, enum vcard_access access)
{
	switch (access) {
	case VCARD_EVERYBODY:
		return true;
	case VCARD_CONTACTS:
		return module_relation(h) != MODULE_STRANGER;
	case VCARD_OWNER:
		break;
	}
	return module_relation(h) == MODULE_SELF;
}

static bool
add_stored(struct stanza *st, struct elem *parent, const char *xml)
{
	struct stanza *stored = vcard_parse(xml);

	if (!stored)
		return false;
	elem_add_copy(st, parent, stored->root);
	stanza_unref(stored);
	return true;
}

static enum hook_verdict
on_got(struct hook *h, void *data, bool ok)
{
	struct vcard_row *row = &((struct vcard_job *)data)->row;
	struct stanza *st;
	struct elem *vcard;
	bool good = true;

	if (!ok)
		return hook_unavailable(h);
	if (row->photo && !may_see_photo(h, row->photo_access))
		row->photo = NULL;
	if (!row->vcard && !row->photo)
		return none(h);
	st = hook_result(h);
	hook_reply(h, st);
	if (row->vcard)
		good = add_stored(st, st->root, row->vcard);
	vcard = row->vcard && good ? elem_first(st->root) : elem_add(st, st->root, NS_VCARD, "vCard");
	if (row->photo)
		good = add_stored(st, vcard, row->photo) && good;
	return good ? HOOK_HANDLED : hook_reject(h, XERROR_INTERNAL_SERVER_ERROR, NULL);
}

static enum hook_verdict
on_got4(struct hook *h, void *data, bool ok)
{
	const struct vcard_row *row = &((struct vcard_job *)data)->row;
	struct stanza *st;

	if (!ok)
		return hook_unavailable(h);
	if (!row->vcard4)
		return none(h);
	st = hook_result(h);
	hook_reply(h, st);
	return add_stored(st, st->root, row->vcard4) ? HOOK_HANDLED : hook_reject(h, XERROR_INTERNAL_SERVER_ERROR, NULL);
}

/* Of an account that does not exist the database is asked too: the answer must not come sooner. */
static struct vcard_job *
job_of(struct hook *h)
{
	struct vcard_job *j = arena_zalloc(hook_memory(h), sizeof(*j));

	j->account = h->account_id;
	return j;
}

static enum hook_verdict
on_get(struct hook *h)
{
	return hook_job(h, job_of(h), vcard_store_get, on_got);
}

static enum hook_verdict
on_get4(struct hook *h)
{
	return hook_job(h, job_of(h), vcard_store_get, on_got4);
}

/* Set */

struct set {
	struct vcard_job job; /* first: it is what the job is given */
	const char *base64;   /* the new picture; NULL: none */
};

/* From here until settled() what is published is older than what was set, which is on its way there. */
static void
settling(struct hook *h)
{
	struct vcard_memory *m = module_data(h);

	if (!m)
		return;
	m->settling++;
	m->sets++;
}

static void
settled(struct hook *h)
{
	struct vcard_memory *m = module_data(h);
	struct stanza *iq;

	if (!m || !m->settling || --m->settling)
		return;
	if (m->again && !m->syncing) {
		m->again = false;
		vcard_sync_again(h);
	}
	if (!m->missed)
		return;
	m->missed = false;
	iq = stanza_new(NS_CLIENT, "iq");
	elem_set(iq, iq->root, "type", "set");
	elem_set(iq, iq->root, "id", "metadata");
	elem_add(iq, iq->root, NS_PHOTO, "metadata");
	module_send(iq, h->account, h->account);
}

static enum hook_verdict
set_done(struct hook *h)
{
	settled(h);
	return hook_done(h);
}

static enum hook_verdict
on_published_again(struct hook *h, void *data, bool ok)
{
	(void)data;
	if (!ok || !pubsub_is_result(h->answer))
		log_warning(NULL, "vcard4-not-published", "account=%s", jid_bare(h->account));
	return set_done(h);
}

static enum hook_verdict
publish(struct hook *h, struct set *s, bool options, hook_then_fn then)
{
	/* XEP-0222: one item, for everybody. */
	static const struct pubsub_config open = { .access_model = "open", .max_items = "1" };
	struct elem *item;
	struct stanza *iq = pubsub_publish(NODE_VCARD4, "current", &item);

	if (!s->job.row.vcard4 || !add_stored(iq, item, s->job.row.vcard4))
		elem_add(iq, item, NS_VCARD4, "vcard");
	if (options)
		pubsub_publish_options(iq, &open);
	return hook_ask(h, h->account, iq, 0, s, then);
}

static enum hook_verdict
on_published(struct hook *h, void *data, bool ok)
{
	/* Its owner has configured the node in another way: so be it. */
	if (ok && pubsub_is_precondition(h->answer))
		return publish(h, data, false, on_published_again);
	return on_published_again(h, data, ok);
}

static bool
differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static enum hook_verdict
set_vcard4(struct hook *h, struct set *s)
{
	if (!differ(s->job.row.vcard4, s->job.was.vcard4))
		return set_done(h);
	return publish(h, s, true, on_published);
}

static enum hook_verdict
on_avatar(struct hook *h, void *data, bool ok)
{
	if (!ok || !pubsub_is_result(h->answer))
		log_info(NULL, "photo-not-published", "account=%s", jid_bare(h->account));
	return set_vcard4(h, data);
}

static enum hook_verdict
on_stored(struct hook *h, void *data, bool ok)
{
	struct set *s = data;
	const struct vcard_row *row = &s->job.row;
	struct stanza *iq;
	struct elem *avatar;

	if (!ok) {
		settled(h);
		return hook_unavailable(h);
	}
	vcard_photo_changed(h, row->photo_sha1, row->photo_access);
	if (!differ(row->photo_sha1, s->job.was.photo_sha1))
		return set_vcard4(h, s);
	iq = stanza_new(NS_CLIENT, "iq");
	elem_set(iq, iq->root, "type", "set");
	avatar = elem_add(iq, iq->root, NS_PHOTO, "avatar");
	if (s->base64) {
		elem_set(iq, avatar, "sha1", row->photo_sha1);
		elem_add_text(iq, avatar, s->base64, strlen(s->base64));
	}
	return hook_ask(h, h->account, iq, 0, s, on_avatar);
}

static enum hook_verdict
on_recorded(struct hook *h, void *data, bool ok)
{
	if (!ok)
		return hook_unavailable(h);
	settling(h);
	return hook_job(h, data, vcard_store_put, on_stored);
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_PROFILE_REFUSED, 1);
	return hook_reject(h, e, text);
}

static enum hook_verdict
on_set(struct hook *h)
{
	struct arena *a = hook_memory(h);
	struct vcard_photo photo;
	struct set *s;

	if (module_relation(h) != MODULE_SELF)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (serialize_size(h->payload, NULL) > module_limits()->vcard_bytes)
		return refuse(h, XERROR_POLICY_VIOLATION, "the vCard is too big");
	if (vcard_photo_read(h->payload, a, &photo) == VCARD_PHOTO_BAD)
		return refuse(h, XERROR_BAD_REQUEST, "PHOTO is not base64");
	s = arena_zalloc(a, sizeof(*s));
	s->base64 = photo.base64;
	s->job.account = h->account_id;
	s->job.row.vcard = without_photo(a, h->payload, photo.photo);
	s->job.row.vcard4 = as_vcard4(a, h->payload);
	if (photo.photo) {
		s->job.row.photo = vcard_text_of(a, photo.photo);
		s->job.row.photo_sha1 = arena_strdup(a, photo.sha1);
	}
	return hook_record(h, RECORD_PROFILE, NULL, readable(a, h->payload), s, on_recorded);
}

/* The picture that was published, from the module avatar */

static enum hook_verdict
on_photo_stored(struct hook *h, void *data, bool ok)
{
	const struct vcard_job *j = data;

	if (!ok)
		return hook_unavailable(h);
	vcard_photo_changed(h, j->row.photo_sha1, j->row.photo_access);
	return hook_done(h);
}

static enum vcard_access
access_of(const char *name)
{
	if (name && !strcmp(name, "everybody"))
		return VCARD_EVERYBODY;
	return name && !strcmp(name, "contacts") ? VCARD_CONTACTS : VCARD_OWNER;
}

static const char *
photo_element(struct arena *a, const char *type, const char *base64)
{
	struct stanza *st = stanza_new(NS_VCARD, "PHOTO");
	struct elem *e = elem_add(st, st->root, NULL, "TYPE");
	const char *s;

	elem_add_text(st, e, type, strlen(type));
	e = elem_add(st, st->root, NULL, "BINVAL");
	elem_add_text(st, e, base64, strlen(base64));
	s = vcard_text_of(a, st->root);
	stanza_unref(st);
	return s;
}

/* Is it here already, and as visible? Then nothing needs to be written. */
static enum hook_verdict
on_photo_question(struct hook *h, const struct vcard_memory *m, const char *sha1, enum vcard_access access)
{
	bool same = !strcmp(m->photo_sha1, sha1 ? sha1 : "") && (!sha1 || m->photo_access == access);

	return same ? hook_done(h) : hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
}

static enum hook_verdict
on_photo(struct hook *h)
{
	struct arena *a = hook_memory(h);
	const char *sha1 = elem_get(h->payload, "sha1"), *type = elem_get(h->payload, "type");
	enum vcard_access access = access_of(elem_get(h->payload, "access"));
	struct vcard_memory *m = module_data(h);
	struct vcard_job *j;

	/* Clients have a resource: they do not speak this. */
	if (module_relation(h) != MODULE_SELF || !jid_is_bare(h->from) || !m)
		return HOOK_NEXT;
	if (elem_get(h->payload, "have"))
		return on_photo_question(h, m, sha1, access);
	if (m->settling) {
		m->missed = true;
		return hook_reject(h, XERROR_CONFLICT, NULL);
	}
	j = job_of(h);
	j->row.photo_access = access;
	if (sha1) {
		j->row.photo_sha1 = arena_strdup(a, sha1);
		j->row.photo = photo_element(a, type ? type : "image/png", elem_text(h->payload, a));
		if (strlen(j->row.photo) > module_limits()->vcard_bytes)
			return refuse(h, XERROR_POLICY_VIOLATION, "the photo is too big");
	}
	return hook_job(h, j, vcard_store_put_photo, on_photo_stored);
}

/* Memory */

static void *
make(const void *rows)
{
	const struct vcard_row *row = rows;
	struct vcard_memory *m = mem_zalloc(sizeof(*m));

	if (row->photo_sha1)
		strncat(m->photo_sha1, row->photo_sha1, sizeof(m->photo_sha1) - 1);
	m->photo_access = row->photo_access;
	return m;
}

static int
attach(struct module *m)
{
	static const struct module_account account = { .load = vcard_store_load, .make = make, .free = free };

	module_offers(m, NS_VCARD, MODULE_SERVER | MODULE_ACCOUNT);
	module_offers(m, NS_VCARD4, MODULE_ACCOUNT);
	module_keep(m, &account);
	module_session_keep(m, sizeof(struct vcard_session), NULL);
	if (module_on_iq(m, MODULE_IQ_GET, NS_VCARD, "vCard", MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_VCARD, "vCard", MODULE_ACCOUNT, on_set) ||
		module_on_iq(m, MODULE_IQ_GET, NS_VCARD4, "vcard", MODULE_ACCOUNT, on_get4) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PHOTO, "photo", MODULE_ACCOUNT, on_photo) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PHOTO, "vcard4", MODULE_ACCOUNT, vcard_sync_iq))
		return -1;
	return module_on_stanza(m, HOOK_SEND_CHECK, MODULE_PRESENCE, NULL, vcard_presence_check) ||
		module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NS_PUBSUB_EVENT, vcard_sync_event) ? -1 : 0;
}

const struct module_def vcard_module = {
	.name = "vcard",
	.about = "vCards (XEP-0054, XEP-0292), photo hashes in presence (XEP-0153, XEP-0398)",
	.attach = attach,
};
