/*
 * avatar: see avatar.h. Only the hashes are in memory; the vCard is read when somebody asks for it.
 */
#include "avatar.h"

#include <stdlib.h>
#include <string.h>

#include "avatar_store.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "disco.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define SHA1_SIZE 20

/* Getting */

static enum hook_verdict
got(struct hook *h, void *data, bool ok)
{
	const struct avatar_row *row = data;
	struct stanza *st, *vcard;

	if (!ok)
		return hook_unavailable(h);
	st = hook_result(h);
	vcard = row->vcard ? parser_one(row->vcard, strlen(row->vcard), NULL, NULL) : NULL;
	if (vcard)
		elem_add_copy(st, st->root, vcard->root);
	else
		elem_add(st, st->root, NS_VCARD, "vCard");
	stanza_unref(vcard);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static const char service_text[] = "Rooms of this server";

static enum hook_verdict
get_of_service(struct hook *h)
{
	struct stanza *st = hook_result(h);
	struct elem *vcard = elem_add(st, st->root, NS_VCARD, "vCard");

	elem_add_text(st, elem_add(st, vcard, NULL, "FN"), service_text, sizeof(service_text) - 1);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

enum hook_verdict
avatar_on_get(struct hook *h, struct room *r)
{
	struct avatar_row *row;

	if (!r)
		return get_of_service(h);
	if (!disco_is_known_to(r, h->from))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (room_affiliation(r, h->from) == AFFILIATION_OUTCAST)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	row = arena_zalloc(hook_memory(h), sizeof(*row));
	row->room = r->id;
	return hook_job(h, row, avatar_store_get, got);
}

/* Setting */

/* The hash of a photo's bytes, as hex. False: it is not base64, or empty. */
static bool
hash_photo(struct arena *a, const struct elem *photo, char out[2 * SHA1_SIZE + 1])
{
	const struct elem *binval = elem_child(photo, NS_VCARD, "BINVAL");
	const char *text = binval ? elem_text(binval, a) : "";
	size_t len = strlen(text);
	char *bytes = arena_alloc(a, len + 1);
	ssize_t n = text_base64_decode_lines(text, len, bytes);
	uint8_t sum[SCRAM_MAX];

	if (n <= 0)
		return false;
	digest_hash(SCRAM_SHA1, bytes, (size_t)n, sum);
	text_hex(sum, SHA1_SIZE, out);
	return true;
}

/* A line for each photo; NULL: one is malformed. A photo elsewhere (EXTVAL) has no hash. */
static char *
hash_photos(struct arena *a, const struct elem *vcard)
{
	struct buf b = { 0 };
	char hex[2 * SHA1_SIZE + 1], *s = NULL;

	for (const struct elem *e = elem_child(vcard, NS_VCARD, "PHOTO"); e; e = elem_next(e, NS_VCARD, "PHOTO")) {
		if (!elem_child(e, NS_VCARD, "BINVAL"))
			continue;
		if (!hash_photo(a, e, hex))
			goto out;
		if (buf_len(&b))
			buf_addc(&b, '\n');
		buf_adds(&b, hex);
	}
	s = arena_strndup(a, buf_len(&b) ? buf_data(&b) : "", buf_len(&b));
out:
	buf_fini(&b);
	return s;
}

static struct stanza *
presence_of(const struct room *r)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");
	struct elem *photo = elem_add(st, elem_add(st, st->root, NS_VCARD_UPDATE, "x"), NULL, "photo");

	if (r->photos)
		elem_add_text(st, photo, r->photos, strcspn(r->photos, "\n"));
	return st;
}

void
avatar_tell(const struct room *r, const struct jid *to)
{
	if (r->photos)
		module_send(presence_of(r), r->jid, to);
}

/* §4.2 example 6, and XEP-0153 for those who know only that. */
static void
announce(struct room *r)
{
	struct stanza *st;
	struct elem *x;

	if (!r->all)
		return;
	st = stanza_new(NS_CLIENT, "message");
	elem_set(st, st->root, "type", "groupchat");
	x = elem_add(st, st->root, NS_MUC_USER, "x");
	elem_set(st, elem_add(st, x, NULL, "status"), "code", "104");
	room_tell(r, st, r->jid);
	room_tell(r, presence_of(r), r->jid);
}

static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	const struct avatar_row *row = data;
	struct room *r = room_of(h);

	if (!ok)
		return hook_unavailable(h);
	if (r->id == row->room) {
		free(r->photos);
		r->photos = row->vcard && *row->photos ? mem_strdup(row->photos) : NULL;
		announce(r);
	}
	return hook_done(h);
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	return ok ? hook_job(h, data, avatar_store_set, stored) : hook_unavailable(h);
}

static char *
text_of(struct arena *a, const struct elem *vcard)
{
	struct buf b = { 0 };
	char *s;

	serialize_elem(&b, vcard, "");
	s = arena_strndup(a, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

enum hook_verdict
avatar_on_set(struct hook *h, struct room *r)
{
	struct avatar_row *row;

	if (room_affiliation(r, h->from) < AFFILIATION_OWNER)
		return hook_reject(h, XERROR_FORBIDDEN, "only owners may set the picture of a room");
	if (serialize_size(h->payload, "") > module_limits()->room_vcard_bytes) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		return hook_reject(h, XERROR_POLICY_VIOLATION, "the vCard is too large");
	}
	row = arena_zalloc(hook_memory(h), sizeof(*row));
	row->room = r->id;
	row->photos = hash_photos(hook_memory(h), h->payload);
	if (!row->photos)
		return hook_reject(h, XERROR_BAD_REQUEST, "a photo is not in base64");
	row->vcard = elem_first(h->payload) ? text_of(hook_memory(h), h->payload) : NULL;
	return hook_record(h, RECORD_PROFILE, r->jid, NULL, row, recorded);
}
