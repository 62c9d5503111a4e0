/*
 * upload: HTTP File Upload (XEP-0363): a service at upload.HOST that gives slots to users of this server, and to gateways for them. What is put into them and
 * fetched goes over HTTPS (core/web/upload*.c).
 *
 * A slot is a row with two tokens: one in the address that the file is put to, once, and one in the address that it is fetched from, so
 * whoever is sent the latter cannot put anything.
 */
#include "upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/file_name.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "module_file.h"
#include "module_network.h"
#include "module_service.h"
#include "upload_store.h"
#include "xmpp/discovery.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

#define NS_PURPOSE "urn:xmpp:http:upload:purpose:0"
#define BYTES_PER_SECOND 65536 /* a slot for a large file lives longer by so much */

struct asking {
	struct upload_slot slot; /* first: it is what the job is given */
	struct hook_who who;
	const struct jid *from;  /* with a gateway: the owner */
	struct gateway *gateway; /* that asks, for `who`, to whom `from` sends the file; NULL: `who` asks */
};

/* The largest file that there can be a slot for. */
static uint64_t
file_max(void)
{
	const struct limits *l = module_limits();

	return l->file_bytes < l->file_quota_bytes ? l->file_bytes : l->file_quota_bytes;
}

/* Discovery */

static enum hook_verdict
on_info(struct hook *h)
{
	static const char *const features[] = { NS_DISCO_INFO, NS_DISCO_ITEMS, NS_PING, NS_UPLOAD, NS_PURPOSE "#message", NS_PURPOSE "#ephemeral" };
	struct stanza *st;
	struct elem *query, *x;
	char max[24];

	if (elem_get(h->payload, "node") && *elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_DISCO_INFO, "query");
	discovery_identity(st, query, "store", "file", "HTTP File Upload");
	discovery_features(st, query, features, sizeof(features) / sizeof(features[0]));
	snprintf(max, sizeof(max), "%" PRIu64, file_max());
	x = form_new(st, query, "result", NS_UPLOAD);
	form_add(st, x, NULL, "max-file-size", NULL, max);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_items(struct hook *h)
{
	struct stanza *st;

	if (elem_get(h->payload, "node") && *elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	st = hook_result(h);
	elem_add(st, st->root, NS_DISCO_ITEMS, "query");
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* Refusals (§6): with the request, and with what the XEP has to say. */

static struct elem *
begin_refusal(struct hook *h, struct stanza **st, enum xerror e, const char *type, const char *text)
{
	struct elem *error;

	metric_add(METRIC_UPLOADS_REFUSED, 1);
	log_info(NULL, "slot-refused", "jid=%s why=%s", jid_bare(h->from), text);
	*st = xerror_reply(h->stanza, e, type, text);
	error = elem_child((*st)->root, NULL, "error");
	elem_remove(error);
	elem_add_copy(*st, (*st)->root, h->payload);
	elem_append((*st)->root, error);
	return error;
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *type, const char *text)
{
	struct stanza *st;

	begin_refusal(h, &st, e, type, text);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
refuse_too_large(struct hook *h)
{
	char max[24];
	struct stanza *st;
	struct elem *e;

	snprintf(max, sizeof(max), "%" PRIu64, file_max());
	e = begin_refusal(h, &st, XERROR_NOT_ACCEPTABLE, "modify",
		arena_printf(h->arena, "The file is too large. The maximum file size is %s", file_size_shown(h->arena, file_max())));
	e = elem_add(st, elem_add(st, e, NS_UPLOAD, "file-too-large"), NULL, "max-file-size");
	elem_add_text(st, e, max, strlen(max));
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
refuse_for_now(struct hook *h, const struct upload_slot *s)
{
	struct stanza *st;
	/* Somebody elsewhere does not come again until a person here has made room. */
	bool waits = s->outcome == UPLOAD_TOO_MANY || s->owner == s->account;
	struct elem *e = begin_refusal(h, &st, XERROR_RESOURCE_CONSTRAINT, waits ? "wait" : "cancel", s->outcome == UPLOAD_TOO_MANY ?
		arena_printf(h->arena, "Too many of your uploads have not been finished; %" PRIu64 " at a time may wait", s->most) :
		arena_printf(h->arena, "Quota reached. Your uploads may take up %s in all", file_size_shown(h->arena, s->quota)));
	char stamp[32];

	metric_add(METRIC_QUOTA_REFUSED, 1);
	if (s->retry_us)
		elem_set(st, elem_add(st, e, NS_UPLOAD, "retry"), "stamp", clock_format(s->retry_us, stamp));
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* A slot (§5) */

static void
add_address(struct stanza *st, struct elem *slot, const char *kind, const char *base, const char *token, const char *name)
{
	struct buf url = { 0 };

	buf_addf(&url, "%s/upload/%s/", base, token);
	text_percent(&url, name);
	elem_set(st, elem_add(st, slot, NULL, kind), "url", buf_str(&url));
	buf_fini(&url);
}

static enum hook_verdict
on_made(struct hook *h, void *data, bool ok)
{
	struct asking *q = data;
	struct buf base = { 0 };
	struct stanza *st;
	struct elem *slot;

	if (!ok)
		return hook_unavailable(h);
	if (q->slot.outcome == UPLOAD_NO_ACCOUNT)
		return refuse(h, XERROR_FORBIDDEN, NULL, "Only users of this server may upload files");
	if (q->slot.outcome != UPLOAD_MADE)
		return refuse_for_now(h, &q->slot);
	metric_add(METRIC_UPLOAD_SLOTS, 1);
	log_info(NULL, "slot", "jid=%s bytes=%" PRIu64 " type=%s", q->slot.owner, q->slot.size, q->slot.type);
	(void)module_web_base(q->slot.domain, &base);
	st = hook_result(h);
	slot = elem_add(st, st->root, NS_UPLOAD, "slot");
	add_address(st, slot, "put", buf_str(&base), q->slot.put, q->slot.name);
	add_address(st, slot, "get", buf_str(&base), q->slot.token, q->slot.name);
	buf_fini(&base);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_who(struct hook *h, void *data, bool ok)
{
	struct asking *q = data;
	const char *why = NULL;

	if (!ok)
		return hook_unavailable(h);
	if (!q->who.exists)
		return refuse(h, XERROR_FORBIDDEN, NULL, "Only users of this server may upload files");
	if (q->gateway && (~gateway_rights(q->gateway, q->who.groups, NULL) & (GATEWAY_RECEIVE | GATEWAY_RECEIVE_FILE)))
		return refuse(h, XERROR_FORBIDDEN, NULL, "Whom this is for does not get files from this network");
	q->slot.groups = q->gateway ? "" : q->who.groups;
	switch (judge_ahead(h->arena, q->gateway ? q->from : h->from, q->slot.groups, NULL, q->slot.size, q->slot.type, &why)) {
	case JUDGE_PASS:
		break;
	case JUDGE_CLOSED:
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", why);
	default:
		return refuse(h, XERROR_FORBIDDEN, NULL, why);
	}
	crypt_random_hex(q->slot.put, UPLOAD_TOKEN / 2);
	crypt_random_hex(q->slot.token, UPLOAD_TOKEN / 2);
	return hook_job(h, q, upload_store_slot, on_made);
}

/* §5.1: NULL, or what is wrong with it. */
static const char *
read_purpose(const struct hook *h, struct upload_slot *s, bool *unknown)
{
	for (const struct elem *e = elem_first(h->payload); e; e = elem_next(e, NULL, NULL)) {
		const char *before = elem_get(e, "expire-before");

		if (!elem_is(e, NS_PURPOSE, NULL) || !strcmp(e->name, "message"))
			continue;
		*unknown = strcmp(e->name, "ephemeral") != 0;
		if (*unknown)
			return "Files are kept for this purpose no longer than others";
		if (!before || clock_parse(before, &s->expire_before_us) || s->expire_before_us <= clock_wall_us())
			return "expire-before is a moment to come";
	}
	return NULL;
}

static void
free_jid(void *j)
{
	jid_unref(j);
}

static void
free_gateway(void *g)
{
	gateway_unref(g);
}

static struct jid *
jid_in(struct hook *h, const struct elem *e, const char *name)
{
	const char *text = elem_get(e, name);
	struct jid *j = text ? jid_parse_z(text) : NULL;

	if (j)
		arena_on_free(hook_memory(h), free_jid, j);
	return j;
}

/* Whose slot is it to be? A gateway says for whom of ours, and from whom at its domain (<for/>, modules/gateway/README.md). NULL, or why not. */
static const char *
read_owner(struct hook *h, struct asking *q)
{
	struct gateway *g = jid_is_domain(h->from) ? module_gateway(h->from) : NULL;
	const struct elem *e = g ? elem_child(h->payload, NS_GATEWAY, "for") : NULL;

	q->who.who = h->from;
	if (g) {
		arena_on_free(hook_memory(h), free_gateway, g);
		q->gateway = g;
		q->who.who = e ? jid_in(h, e, "jid") : NULL;
		q->from = e ? jid_in(h, e, "from") : NULL;
		if (!q->who.who || !q->from || !jid_local(q->from) || strcmp(jid_domain(q->from), g->domain) != 0)
			return "A gateway says for whom the file is, and from whom at its domain";
		if (!g->on)
			return "This network is switched off";
	}
	return module_is_local(q->who.who) && jid_local(q->who.who) ? NULL : "Only users of this server may upload files";
}

static enum hook_verdict
on_request(struct hook *h)
{
	const char *name = elem_get(h->payload, "filename"), *size = elem_get(h->payload, "size"), *type = elem_get(h->payload, "content-type"), *wrong;
	struct arena *a = hook_memory(h);
	struct asking *q = arena_zalloc(a, sizeof(*q));
	const struct limits *l = module_limits();
	struct buf base = { 0 };
	bool unknown = false;

	wrong = read_owner(h, q);
	if (wrong)
		return refuse(h, XERROR_FORBIDDEN, NULL, wrong);
	if (!name || !*name)
		return refuse(h, XERROR_BAD_REQUEST, NULL, "filename is missing");
	if (!size || !text_u64(size, strlen(size), 1, INT64_MAX, &q->slot.size))
		return refuse(h, XERROR_BAD_REQUEST, NULL, "size is a number of bytes, one at least");
	if (type && !text_is_media_type(type))
		return refuse(h, XERROR_BAD_REQUEST, NULL, "content-type is not a media type");
	wrong = read_purpose(h, &q->slot, &unknown);
	if (wrong)
		return refuse(h, unknown ? XERROR_FEATURE_NOT_IMPLEMENTED : XERROR_BAD_REQUEST, NULL, wrong);
	if (q->slot.size > file_max())
		return refuse_too_large(h);
	if (!module_web_base(jid_domain(q->who.who), &base))
		return refuse(h, XERROR_SERVICE_UNAVAILABLE, NULL, "Nobody listens for uploads here");
	buf_fini(&base);
	q->slot.account = arena_strdup(a, jid_bare(q->who.who));
	q->slot.owner = q->gateway ? arena_strdup(a, jid_bare(q->from)) : q->slot.account;
	q->slot.domain = arena_strdup(a, jid_domain(q->who.who));
	q->slot.name = file_name_clean(a, name);
	q->slot.type = type ? arena_strdup(a, type) : NULL;
	q->slot.seconds = l->file_slot_seconds + q->slot.size / BYTES_PER_SECOND;
	q->slot.most = l->file_slots;
	q->slot.quota = l->file_quota_bytes;
	return hook_who(h, &q->who, q, on_who);
}

/* What arrives. The service is at its domain; below it, and at resources of it, there is nothing. */

static enum hook_verdict
arrived(struct hook *h)
{
	const char *name = h->stanza->root->name, *type = elem_get(h->stanza->root, "type");
	const struct elem *e = h->payload;

	if (!strcmp(name, "presence"))
		return HOOK_HANDLED;
	if (!h->from || !jid_is_domain(h->to) || !jid_is_bare(h->to) || strcmp(name, "iq") != 0)
		return HOOK_NEXT;
	if (!type || (strcmp(type, "get") != 0 && strcmp(type, "set") != 0))
		return HOOK_HANDLED;
	if (!e || *type != 'g')
		return HOOK_NEXT;
	if (elem_is(e, NS_UPLOAD, "request"))
		return on_request(h);
	if (elem_is(e, NS_DISCO_INFO, "query"))
		return on_info(h);
	if (elem_is(e, NS_DISCO_ITEMS, "query"))
		return on_items(h);
	return elem_is(e, NS_PING, "ping") ? hook_done(h) : HOOK_NEXT;
}

static const struct module_service service = {
	.label = "upload",
	.name = "HTTP File Upload",
	.setting = "files.on",
	.arrived = arrived,
};

static int
attach(struct module *m)
{
	module_serve(m, &service);
	module_command(m, &upload_delete_command);
	return module_on_stanza(m, HOOK_SEND_CHECK, MODULE_STANZA, NULL, upload_on_send) || module_on(m, HOOK_SEND_COPY, upload_on_sent) ? -1 : 0;
}

const struct module_def upload_module = {
	.name = "upload",
	.about = "HTTP File Upload (XEP-0363)",
	.attach = attach,
};
