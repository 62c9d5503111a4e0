/*
 * avatar: the same picture as a User Avatar (XEP-0084) and in the vCard (XEP-0398).
 *
 * From the vCard: the module vcard hands over a picture as <avatar xmlns='urn:chancery:photo:0'/>; it is published at the two
 * nodes. To the vCard: an event of the metadata node says that something has changed; what the node says now is asked for,
 * and the picture goes to the module vcard as <photo/>. One such walk at a time for an account, and another when there
 * was an event meanwhile: so the last one published wins. Both know a picture by its SHA-1, which ends the circle.
 */
#include <stdlib.h>
#include <string.h>

#include "base/image.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "module.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"
#include "xmpp/pubsub.h"

#define CONVERSION "urn:xmpp:pep-vcard-conversion:0"
#define SHA1_SIZE 20

/* Decodes a picture and gives its hash in hexadecimal. False: not base64, or nothing. */
static bool
decode(const char *text, struct arena *a, const char **bytes, size_t *n, char sha1[2 * SHA1_SIZE + 1])
{
	size_t len = strlen(text);
	char *out = arena_alloc(a, len + 1);
	ssize_t got = text_base64_decode_lines(text, len, out);
	uint8_t sum[SCRAM_MAX];

	if (got <= 0)
		return false;
	digest_hash(SCRAM_SHA1, out, (size_t)got, sum);
	text_hex(sum, SHA1_SIZE, sha1);
	*bytes = out;
	*n = (size_t)got;
	return true;
}

/* An IQ of the account to itself is a module's: clients have a resource. */
static bool
is_internal(const struct hook *h)
{
	return module_relation(h) == MODULE_SELF && jid_is_bare(h->from);
}

/* From the vCard to the nodes */

struct upload {
	const char *base64; /* NULL: the picture is gone */
	char sha1[2 * SHA1_SIZE + 1];
	struct image image;
	size_t bytes;
	bool metadata;      /* the step: data, then metadata (XEP-0084 §3) */
	bool plain;         /* without publish-options */
};

static void
add_data(struct stanza *iq, struct elem *item, const struct upload *u)
{
	struct elem *data = elem_add(iq, item, NS_AVATAR_DATA, "data");

	elem_add_text(iq, data, u->base64, strlen(u->base64));
}

static void
add_metadata(struct stanza *iq, struct elem *item, const struct upload *u)
{
	struct elem *metadata = elem_add(iq, item, NS_AVATAR_METADATA, "metadata"), *info;

	if (!u->base64)
		return;
	info = elem_add(iq, metadata, NULL, "info");
	elem_set(iq, info, "id", u->sha1);
	elem_set(iq, info, "type", u->image.type);
	elem_set(iq, info, "bytes", arena_printf(iq->arena, "%zu", u->bytes));
	if (!u->image.width || !u->image.height)
		return;
	elem_set(iq, info, "width", arena_printf(iq->arena, "%u", u->image.width));
	elem_set(iq, info, "height", arena_printf(iq->arena, "%u", u->image.height));
}

static enum hook_verdict upload_answered(struct hook *h, void *data, bool ok);

static enum hook_verdict
upload(struct hook *h, struct upload *u)
{
	/* As visible as the vCard it comes from. */
	static const struct pubsub_config open = { .access_model = "open", .max_items = "1" };
	struct elem *item;
	struct stanza *iq = pubsub_publish(u->metadata ? NS_AVATAR_METADATA : NS_AVATAR_DATA, u->base64 ? u->sha1 : NULL, &item);

	if (u->metadata)
		add_metadata(iq, item, u);
	else
		add_data(iq, item, u);
	if (!u->plain)
		pubsub_publish_options(iq, &open);
	return hook_ask(h, h->account, iq, 0, u, upload_answered);
}

static enum hook_verdict
upload_answered(struct hook *h, void *data, bool ok)
{
	struct upload *u = data;
	bool done = ok && pubsub_is_result(h->answer);

	/* Its owner has configured the node in another way: so be it. */
	if (ok && !u->plain && pubsub_is_precondition(h->answer)) {
		u->plain = true;
		return upload(h, u);
	}
	if (!done)
		return ok ? hook_reject(h, XERROR_NOT_ACCEPTABLE, NULL) : hook_unavailable(h);
	if (u->metadata)
		return hook_done(h);
	u->metadata = true;
	u->plain = false;
	return upload(h, u);
}

static enum hook_verdict
on_avatar(struct hook *h)
{
	struct arena *a = hook_memory(h);
	struct upload *u = arena_zalloc(a, sizeof(*u));
	const char *text = elem_text(h->payload, a), *bytes;

	if (!is_internal(h))
		return HOOK_NEXT;
	if (!*text) {
		u->metadata = true; /* XEP-0084 §3.5: disabled by empty metadata */
		return upload(h, u);
	}
	/* XEP-0153 §5: the type that a vCard gives is a hint. What is no picture to us stays in the vCard. */
	if (!decode(text, a, &bytes, &u->bytes, u->sha1) || !image_read(bytes, u->bytes, &u->image))
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "not a picture of a known kind");
	u->base64 = text;
	return upload(h, u);
}

/* From the nodes to the vCard */

struct walk {
	const char *sha1, *type; /* what the metadata says; NULL: no avatar */
	const char *access;
};

/* Kept with the account from its first event on. */
struct memory {
	bool busy, again;
};

/* Once more in a new chain: the memory of this one has grown enough. */
static void
ask_again(struct hook *h)
{
	struct stanza *iq = stanza_new(NS_CLIENT, "iq");

	elem_set(iq, iq->root, "type", "set");
	elem_set(iq, iq->root, "id", "metadata");
	elem_add(iq, iq->root, NS_PHOTO, "metadata");
	module_send(iq, h->account, h->account);
}

static enum hook_verdict
end(struct hook *h)
{
	struct memory *m = module_data(h);

	if (m && m->again)
		ask_again(h);
	if (m)
		m->again = m->busy = false;
	return h->stage == HOOK_IQ ? hook_done(h) : HOOK_NEXT;
}

static enum hook_verdict
on_told(struct hook *h, void *data, bool ok)
{
	(void)data;
	if (!ok || !pubsub_is_result(h->answer))
		log_info(NULL, "avatar-not-converted", "account=%s why=vcard", jid_bare(h->account));
	return end(h);
}

/* To the module vcard; base64 NULL asks whether it has this one already. */
static enum hook_verdict
tell(struct hook *h, struct walk *w, bool have, const char *base64, hook_then_fn then)
{
	struct stanza *iq = stanza_new(NS_CLIENT, "iq");
	struct elem *photo;

	elem_set(iq, iq->root, "type", "set");
	photo = elem_add(iq, iq->root, NS_PHOTO, "photo");
	elem_set(iq, photo, "sha1", w->sha1);
	elem_set(iq, photo, "type", w->type);
	elem_set(iq, photo, "access", w->access);
	elem_set(iq, photo, "have", have ? "1" : NULL);
	if (base64)
		elem_add_text(iq, photo, base64, strlen(base64));
	return hook_ask(h, h->account, iq, 0, w, then);
}

static enum hook_verdict
on_data(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;
	const struct elem *item = ok ? pubsub_first_item(h->answer) : NULL;
	const struct elem *e = item ? elem_child(item, NS_AVATAR_DATA, "data") : NULL;
	const char *why = "no-data", *bytes;
	char sha1[2 * SHA1_SIZE + 1];
	char *base64;
	size_t n;

	if (e && !decode(elem_text(e, h->arena), h->arena, &bytes, &n, sha1))
		why = "not-base64";
	else if (e && !text_equal_nocase(sha1, w->sha1))
		why = "hash"; /* XEP-0398 §3.1: verified */
	else if (e) {
		base64 = arena_alloc(h->arena, text_base64_size(n));
		text_base64_encode(bytes, n, base64);
		return tell(h, w, false, base64, on_told);
	}
	log_info(NULL, "avatar-not-converted", "account=%s why=%s", jid_bare(h->account), why);
	return end(h);
}

static enum hook_verdict
on_known(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;

	if (!ok || xerror_of(h->answer->root) != XERROR_ITEM_NOT_FOUND)
		return end(h);
	if (!w->sha1)
		return tell(h, w, false, NULL, on_told);
	return hook_ask(h, h->account, pubsub_items_get(NS_AVATAR_DATA, w->sha1, 0), 0, w, on_data);
}

/* XEP-0398 §8: who may not read the avatar does not get it from the vCard either. */
static enum hook_verdict
on_configuration(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;
	const char *model = ok ? pubsub_access_model(h->answer, h->arena) : NULL;

	if (!model)
		return end(h); /* no data node: the picture is elsewhere */
	w->access = !strcmp(model, "open") ? "everybody" : !strcmp(model, "presence") ? "contacts" : "owner";
	return tell(h, w, true, NULL, on_known);
}

/* XEP-0398 §3.1: the one that is not at an external address. */
static void
read_metadata(struct hook *h, const struct elem *metadata, struct walk *w)
{
	for (const struct elem *e = elem_child(metadata, NS_AVATAR_METADATA, "info"); e && !w->sha1;
		e = elem_next(e, NS_AVATAR_METADATA, "info")) {
		const char *id = elem_get(e, "id"), *type = elem_get(e, "type");

		if (!id || strlen(id) != 2 * SHA1_SIZE || elem_get(e, "url"))
			continue;
		w->sha1 = arena_strdup(hook_memory(h), id);
		w->type = type && !strncmp(type, "image/", 6) ? arena_strdup(hook_memory(h), type) : "image/png";
	}
}

static enum hook_verdict
on_metadata(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;
	const struct elem *item = ok ? pubsub_first_item(h->answer) : NULL;
	const struct elem *metadata = item ? elem_child(item, NS_AVATAR_METADATA, "metadata") : NULL;

	/* Other errors say nothing about what there is. */
	if (!ok || (!pubsub_is_result(h->answer) && xerror_of(h->answer->root) != XERROR_ITEM_NOT_FOUND))
		return end(h);
	if (metadata)
		read_metadata(h, metadata, w);
	if (!w->sha1 && metadata && elem_first(metadata))
		return end(h); /* only at external addresses: the vCard keeps what it has */
	if (!w->sha1)
		return tell(h, w, true, NULL, on_known);
	return hook_ask(h, h->account, pubsub_configure(NS_AVATAR_DATA, NULL), 0, w, on_configuration);
}

static enum hook_verdict
begin(struct hook *h)
{
	struct memory *m;

	if (!module_data(h))
		module_set_data(h, mem_zalloc(sizeof(struct memory)));
	m = module_data(h);
	if (!m || m->busy) {
		if (m)
			m->again = true;
		return h->stage == HOOK_IQ ? hook_done(h) : HOOK_NEXT;
	}
	m->busy = true;
	return hook_ask(h, h->account, pubsub_items_get(NS_AVATAR_METADATA, NULL, 1), 0,
		arena_zalloc(hook_memory(h), sizeof(struct walk)), on_metadata);
}

/* Events of the account's own nodes, as it gets them itself. */
static enum hook_verdict
on_event(struct hook *h)
{
	const char *node;

	if (!h->account_id || !jid_is_bare(h->from) || !jid_equal(h->from, h->account))
		return HOOK_NEXT;
	node = pubsub_event_node(h->stanza);
	if (node && !strcmp(node, NS_AVATAR_METADATA))
		(void)begin(h); /* beside the message, which goes on */
	return HOOK_NEXT;
}

static enum hook_verdict
on_again(struct hook *h)
{
	return is_internal(h) ? begin(h) : HOOK_NEXT;
}

static int
attach(struct module *m)
{
	static const struct module_account account = { .free = free };

	module_offers(m, CONVERSION, MODULE_ACCOUNT);
	module_keep(m, &account);
	if (module_on_iq(m, MODULE_IQ_SET, NS_PHOTO, "avatar", MODULE_ACCOUNT, on_avatar) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PHOTO, "metadata", MODULE_ACCOUNT, on_again))
		return -1;
	return module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NS_PUBSUB_EVENT, on_event);
}

const struct module_def avatar_module = {
	.name = "avatar",
	.about = "User Avatars (XEP-0084) from and to vCards (XEP-0398)",
	.attach = attach,
};
