/*
 * vcard_presence: the hash of the account's photo in the presence of its sessions (XEP-0398 §5, XEP-0153 §3).
 *
 * Only a client that says it shows no picture (an empty <photo/>) is left alone; a hash that is not ours is out of date. When
 * the photo changes, the broadcast presence is repeated with the new hash; what was sent to rooms is the client's to
 * repeat (XEP-0398 §6.1).
 */
#include <string.h>

#include "base/text.h"
#include "vcard_memory.h"
#include "xmpp/ns.h"

/* NULL: no <photo/>; "": an empty one. */
static const char *
said(const struct elem *presence, struct arena *a)
{
	const struct elem *x = elem_child(presence, NS_VCARD_UPDATE, "x");
	const struct elem *photo = x ? elem_child(x, NS_VCARD_UPDATE, "photo") : NULL;

	return photo ? elem_text(photo, a) : NULL;
}

/* Who may not see the photo by default does not need to know of it. */
static const char *
shown(const struct vcard_memory *m)
{
	return m->photo_access == VCARD_OWNER ? "" : m->photo_sha1;
}

static struct stanza *
with_hash(const struct stanza *presence, const char *sha1)
{
	struct stanza *st = stanza_copy(presence);
	struct elem *x, *photo;

	while ((x = elem_child(st->root, NS_VCARD_UPDATE, "x")))
		elem_remove(x);
	x = elem_add(st, st->root, NS_VCARD_UPDATE, "x");
	photo = elem_add(st, x, NULL, "photo");
	if (*sha1)
		elem_add_text(st, photo, sha1, strlen(sha1));
	return st;
}

enum hook_verdict
vcard_presence_check(struct hook *h)
{
	const struct vcard_memory *m = module_data(h);
	const struct elem *root = h->stanza->root;
	struct vcard_session *s;
	const char *hash;

	if (!m || elem_get(root, "type"))
		return HOOK_NEXT;
	hash = said(root, h->arena);
	s = h->bound ? module_session_data(h->module, h->bound) : NULL;
	if (s && !h->to)
		s->declined = hash && !*hash;
	if (hash && (!*hash || text_equal_nocase(hash, shown(m))))
		return HOOK_NEXT;
	hook_replace(h, with_hash(h->stanza, shown(m)));
	return HOOK_NEXT;
}

static void
repeat(struct hook *h, const struct vcard_memory *m)
{
	struct session **list;
	unsigned n = module_sessions(h, &list);

	for (unsigned i = 0; i < n; i++) {
		const struct stanza *presence = module_session_presence(list[i]);
		const struct vcard_session *s = module_session_data(h->module, list[i]);

		if (presence && !(s && s->declined))
			module_session_present(list[i], with_hash(presence, shown(m)));
	}
}

void
vcard_photo_changed(struct hook *h, const char *sha1, enum vcard_access access)
{
	struct vcard_memory *m = module_data(h);
	char before[sizeof(m->photo_sha1)];

	if (!m)
		return;
	strcpy(before, shown(m));
	m->photo_sha1[0] = '\0';
	if (sha1)
		strncat(m->photo_sha1, sha1, sizeof(m->photo_sha1) - 1);
	m->photo_access = access;
	if (strcmp(before, shown(m)))
		repeat(h, m);
}
