/*
 * rehost: all are fetched, then all are judged, then all become uploads of the sender; then their addresses take the place of the others, in what
 * offers them and in a body that is nothing else. One after the other: the first that cannot be had ends it, and nothing has changed.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "filecheck.h"
#include "links.h"
#include "xmpp/ns.h"

#define NS_FALLBACK_INDICATION "urn:xmpp:fallback:0"

/* One address, in hook_memory, however often it is in the stanza. */
struct linked {
	struct linked *next;
	struct rehosting *all;
	const char *url;
	struct fetch fetch;
	struct judgement f;
	struct hook_publish ours;
};

struct rehosting {
	struct linked *first;
	const char *sender;
	int64_t deadline_ms; /* of all fetching, then of all judging */
	uint64_t left;       /* bytes that may still be fetched: all of them together are no more than one file may be, and fit into the quota */
	struct hook_room room;
};

static enum hook_verdict fetch(struct hook *h, struct linked *l);
static enum hook_verdict judge(struct hook *h, struct linked *l);
static enum hook_verdict publish(struct hook *h, struct linked *l);

static enum hook_verdict
refuse(struct hook *h, enum xerror error, const char *type, const char *why, const char *text)
{
	log_info(NULL, "stanza-with-link-refused", "from=%s to=%s why=%s", jid_bare(h->from), h->to ? jid_bare(h->to) : "", why);
	return filecheck_refuse(h, error, type, text);
}

static const struct jid *
whom_to(const struct hook *h)
{
	return h->to ? h->to : h->from;
}

/* A link that passes with a partner, but files do not, is not to become one. */
static enum hook_verdict
refuse_partner(struct hook *h)
{
	return refuse(h, XERROR_NOT_ALLOWED, NULL, "partner", arena_printf(h->arena, "Files may not be exchanged between %s and %s.",
		jid_domain(h->from), jid_domain(whom_to(h))));
}

static enum hook_verdict
refuse_quota(struct hook *h)
{
	metric_add(METRIC_QUOTA_REFUSED, 1);
	return refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", "quota", "Linked files are kept here, and there is no room for this one: your files "
		"take up all that they may.");
}

static enum hook_verdict
refuse_unavailable(struct hook *h)
{
	return refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", "unavailable", "The linked file could not be kept now. Please try again later.");
}

/* The stanza */

static bool
is_known(const struct rehosting *r, const char *url)
{
	const struct linked *l = r->first;

	while (l && strcmp(l->url, url) != 0)
		l = l->next;
	return l;
}

/* NULL: it is none of those. */
static const char *
ours_of(const struct rehosting *r, const char *url)
{
	for (const struct linked *l = r->first; l; l = l->next)
		if (!strcmp(l->url, url))
			return l->ours.address;
	return NULL;
}

static void
set_text(struct stanza *st, struct elem *e, const char *text)
{
	while (e->first)
		elem_remove(e->first);
	elem_add_text(st, e, text, strlen(text));
}

/* In the attribute, or in the text: wherever it was found. */
static void
put_address(struct stanza *st, const struct found *f, const char *ours)
{
	struct elem *e = (struct elem *)f->e;

	for (struct attr *at = e->attrs; at; at = at->next)
		if (at->value == f->text) {
			elem_set_ns(st, e, at->ns, at->name, ours);
			return;
		}
	set_text(st, e, ours);
}

static uint64_t
characters(const char *s)
{
	uint64_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Whoever pointed at the whole body does so still (XEP-0372 §3.1, XEP-0428 §3). */
static void
move_ends(struct stanza *st, struct elem *message, const char *was, const char *is)
{
	uint64_t old = characters(was), new = characters(is), end;

	for (struct elem *e = elem_walk(message, message); e; e = elem_walk(message, e)) {
		const char *text = e->name ? elem_get(e, "end") : NULL;
		char number[24];

		if (!text || (e->ns != NS_REFERENCE && strcmp(e->ns, NS_FALLBACK_INDICATION) != 0) ||
				!text_u64(text, strlen(text), 1, UINT32_MAX, &end) || (end != old && end != old - 1))
			continue;
		snprintf(number, sizeof(number), "%u", (unsigned)(new - (old - end)));
		elem_set(st, e, "end", number);
	}
}

/* 0, or the bytes of what it is now. */
static size_t
put_into_body(struct hook *h, const struct rehosting *r, struct stanza *st, struct elem *body)
{
	const char *was = elem_text(body, h->arena), *ours = ours_of(r, links_trim(was, strlen(was), h->arena));

	if (!ours)
		return 0;
	set_text(st, body, ours);
	/* There may be more of them, in other languages; what points at one points at the first. */
	if (elem_child(body->parent, NS_CLIENT, "body") == body)
		move_ends(st, body->parent, was, ours);
	return strlen(ours);
}

/* The bytes of all the addresses of ours in it. */
static size_t
put_all(struct hook *h, const struct rehosting *r, struct stanza *st)
{
	size_t bytes = 0;

	for (const struct found *f = found_in(st->root, h->arena); f; f = f->next) {
		const char *ours = links_is_foreign(f, h->arena) ? ours_of(r, links_trim(f->text, f->n, h->arena)) : NULL;

		if (!ours)
			continue;
		put_address(st, f, ours);
		bytes += strlen(ours);
	}
	for (struct elem *e = elem_walk(st->root, st->root); e; e = elem_walk(st->root, e))
		if (elem_is(e, NS_CLIENT, "body") && elem_is(e->parent, NS_CLIENT, "message"))
			bytes += put_into_body(h, r, st, e);
	return bytes;
}

/* With the addresses that there are now; NULL: it has been refused, with *v. */
static struct stanza *
replaced(struct hook *h, const struct rehosting *r, enum hook_verdict *v)
{
	struct stanza *st = stanza_copy(h->stanza);

	/* Ours may be longer than theirs, and there as often as they were. */
	if (put_all(h, r, st) > module_limits()->stanza_bytes) {
		*v = refuse(h, XERROR_POLICY_VIOLATION, NULL, "many", "There are too many files in one message.");
	} else if (links_any_foreign(found_in(st->root, h->arena), h->arena)) {
		log_error(NULL, "link-not-replaced", "from=%s", jid_bare(h->from));
		*v = filecheck_refuse(h, XERROR_INTERNAL_SERVER_ERROR, NULL, "The file could not be put into this message.");
	} else {
		return st;
	}
	stanza_unref(st);
	return NULL;
}

static enum hook_verdict
replace(struct hook *h, const struct rehosting *r)
{
	enum hook_verdict v;
	struct stanza *st;

	/* Fetching has taken its time. */
	if (!module_files_pass(h->from, whom_to(h)))
		return refuse_partner(h);
	st = replaced(h, r, &v);
	if (!st)
		return v;
	metric_add(METRIC_FILECHECK_FETCHED, 1);
	hook_replace(h, st);
	return HOOK_NEXT;
}

/* Publishing */

static enum hook_verdict
published(struct hook *h, void *data, bool ok)
{
	struct linked *l = data;

	if (!ok)
		return refuse_unavailable(h);
	if (l->ours.over_quota)
		return refuse_quota(h);
	return l->next ? publish(h, l->next) : replace(h, l->all);
}

static enum hook_verdict
publish(struct hook *h, struct linked *l)
{
	l->ours.f = &l->f;
	l->ours.name = l->fetch.name;
	return hook_publish(h, &l->ours, l, published);
}

/* What does not fit is refused before anything is kept, and counts. */
static enum hook_verdict
try_out(struct hook *h, struct rehosting *r)
{
	enum hook_verdict v;
	struct stanza *st;

	for (struct linked *l = r->first; l; l = l->next)
		l->ours.address = hook_publish_sample(h, l->fetch.name);
	st = replaced(h, r, &v);
	if (!st)
		return v;
	stanza_unref(st);
	return publish(h, r->first);
}

/* Judging */

static enum hook_verdict
judged(struct hook *h, void *data, bool ok)
{
	struct linked *l = data;

	(void)ok;
	if (l->f.verdict != JUDGE_PASS)
		return filecheck_refuse_file(h, &l->f);
	return l->next ? judge(h, l->next) : try_out(h, l->all);
}

static enum hook_verdict
judge(struct hook *h, struct linked *l)
{
	if (l == l->all->first)
		l->all->deadline_ms = clock_mono_ms() + (int64_t)module_limits()->stanza_file_seconds * 1000;
	l->f = (struct judgement){ .spool = l->fetch.spool, .path = JUDGE_LINK, .from = h->from, .to = h->to, .name = l->fetch.name,
		.type = l->fetch.type, .keep = true, .deadline_ms = l->all->deadline_ms };
	return hook_judge(h, &l->f, l, judged);
}

/* Fetching */

static enum hook_verdict
fetched(struct hook *h, void *data, bool ok)
{
	struct linked *l = data;
	const char *why = l->fetch.why;

	(void)ok;
	switch (l->fetch.outcome) {
	case FETCH_DONE:
		arena_on_free(hook_memory(h), filecheck_free_spool, l->fetch.spool);
		l->all->left -= spool_size(l->fetch.spool) < l->all->left ? spool_size(l->fetch.spool) : l->all->left;
		return l->next ? fetch(h, l->next) : judge(h, l->all->first);
	case FETCH_REFUSED:
		if (l->fetch.too_large && l->all->room.bytes < module_limits()->file_bytes)
			return refuse_quota(h);
		return refuse(h, XERROR_POLICY_VIOLATION, NULL, "fetch", arena_printf(h->arena, "The linked file cannot be sent: %s.", why));
	case FETCH_FAILED:
		return refuse(h, XERROR_NOT_ACCEPTABLE, NULL, "fetch", arena_printf(h->arena, "The linked file could not be fetched: %s. "
			"Send the file itself.", why));
	default:
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", "fetch", arena_printf(h->arena, "The linked file could not be fetched now: %s. "
			"Please try again later.", why));
	}
}

static enum hook_verdict
fetch(struct hook *h, struct linked *l)
{
	if (!l->all->left && l->all->room.bytes < module_limits()->file_bytes)
		return refuse_quota(h);
	if (!l->all->left)
		return refuse(h, XERROR_POLICY_VIOLATION, NULL, "large", "The linked files are too large to be sent together.");
	l->fetch = (struct fetch){ .url = l->url, .sender = l->all->sender, .deadline_ms = l->all->deadline_ms, .most = l->all->left };
	return hook_fetch(h, &l->fetch, l, fetched);
}

/* How many there are. */
static unsigned
collect(struct hook *h, struct rehosting *r)
{
	struct linked **last = &r->first;
	unsigned n = 0;

	for (const struct found *f = found_in(h->stanza->root, h->arena); f && n <= module_limits()->stanza_files; f = f->next) {
		const char *url = links_is_foreign(f, h->arena) ? links_trim(f->text, f->n, h->arena) : NULL;

		if (!url || is_known(r, url))
			continue;
		*last = arena_zalloc(hook_memory(h), sizeof(**last));
		(*last)->url = arena_strdup(hook_memory(h), url);
		(*last)->all = r;
		last = &(*last)->next;
		n++;
	}
	return n;
}

/* Nothing is fetched of which it is known that it may not pass, whatever it is, or that nobody can look into it now. NEXT: it may. */
static enum hook_verdict
ask_ahead(struct hook *h)
{
	const char *text;

	if (!module_files_pass(h->from, whom_to(h)))
		return refuse_partner(h);
	switch (judge_ahead(h->arena, h->from, module_account_groups(h), whom_to(h), 0, NULL, &text)) {
	case JUDGE_PASS:
		return HOOK_NEXT;
	case JUDGE_CLOSED:
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", "scanner", "Files cannot be sent at the moment, try again later.");
	default:
		return refuse(h, XERROR_POLICY_VIOLATION, NULL, "ahead", text);
	}
}

/* A result that was refused goes on as one. */
static bool
is_error(const struct hook *h)
{
	const char *type = elem_get(h->stanza->root, "type");

	return type && !strcmp(type, "error");
}

/* What there is no room for is not fetched to be thrown away. */
static enum hook_verdict
room_known(struct hook *h, void *data, bool ok)
{
	struct rehosting *r = data;
	const struct limits *l = module_limits();

	if (!ok)
		return refuse_unavailable(h);
	r->deadline_ms = clock_mono_ms() + (int64_t)(h->account_id ? l->fetch_seconds : l->fetch_seconds_remote) * 1000;
	r->left = r->room.bytes < l->file_bytes ? r->room.bytes : l->file_bytes;
	return fetch(h, r->first);
}

enum hook_verdict
rehost(struct hook *h)
{
	struct rehosting *r = arena_zalloc(hook_memory(h), sizeof(*r));
	unsigned n = collect(h, r);
	enum hook_verdict v;

	if (!n)
		return HOOK_NEXT;
	if (n > module_limits()->stanza_files)
		return refuse(h, XERROR_POLICY_VIOLATION, NULL, "many", "There are too many files in one message.");
	if (!hook_can_publish())
		return refuse(h, XERROR_POLICY_VIOLATION, NULL, "link", "Your organisation does not allow files from other servers. Send the file itself.");
	v = ask_ahead(h);
	if (v != HOOK_NEXT || is_error(h))
		return v;
	r->sender = arena_strdup(hook_memory(h), h->account_id ? jid_bare(h->from) : jid_domain(h->from));
	return hook_publish_room(h, &r->room, r, room_known);
}
