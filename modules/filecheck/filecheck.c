/*
 * filecheck: files inside stanzas, of users, components and other servers (P5): pictures of vCards, avatars, Bits of Binary, data: URIs. Each
 * is collected, judged (core/file/judge), and only when all of them may pass, the stanza goes on; it waits in its sender's lane until then.
 * Addresses of files elsewhere pass as files.links says, or become ours (rehost.c), encrypted files as files.encrypted says.
 *
 * Streams of bytes (XEP-0047, XEP-0065) are modules/transfer, uploads (XEP-0363) modules/upload.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "datauri.h"
#include "filecheck.h"
#include "found.h"
#include "links.h"
#include "xmpp/ns.h"

/* One file, in hook_memory: its content until its turn has come. */
struct carried {
	struct carried *next;
	struct judgement f;
	const void *data;
	size_t n;
};

/* Refusals */

/* A result cannot be refused: who has asked is told instead, and has an answer (RFC 6120 §8.2.3). */
static struct stanza *
failed_answer(const struct hook *h, enum xerror error, const char *type, const char *text)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	const struct elem *root = h->stanza->root;
	struct elem *e, *t;

	elem_set(st, st->root, "from", elem_get(root, "from"));
	elem_set(st, st->root, "to", elem_get(root, "to"));
	elem_set(st, st->root, "id", elem_get(root, "id"));
	elem_set(st, st->root, "type", "error");
	e = elem_add(st, st->root, NULL, "error");
	elem_set(st, e, "type", type ? type : xerror_type(error));
	elem_add(st, e, NS_STANZA_ERRORS, xerror_name(error));
	t = elem_add(st, e, NS_STANZA_ERRORS, "text");
	elem_set_ns(st, t, NS_XML, "lang", "en");
	elem_add_text(st, t, text, strlen(text));
	return st;
}

static bool
is_type(const struct hook *h, const char *type)
{
	const char *t = elem_get(h->stanza->root, "type");

	return t && !strcmp(t, type);
}

enum hook_verdict
filecheck_refuse(struct hook *h, enum xerror error, const char *type, const char *text)
{
	metric_add(METRIC_FILECHECK_REFUSED, 1);
	if (elem_is(h->stanza->root, NS_CLIENT, "iq") && is_type(h, "result")) {
		hook_replace(h, failed_answer(h, error == XERROR_BAD_REQUEST ? XERROR_NOT_ACCEPTABLE : error, type, text));
		return HOOK_NEXT;
	}
	h->error_type = type;
	return hook_reject(h, error, text);
}

static enum hook_verdict
refuse(struct hook *h, enum xerror error, const char *why, const char *text)
{
	log_info(NULL, "stanza-with-file-refused", "from=%s to=%s why=%s", h->from ? jid_bare(h->from) : "", h->to ? jid_bare(h->to) : "", why);
	return filecheck_refuse(h, error, NULL, text);
}

/* An error goes on with its condition, and without what it brings back, or pretends to. */
static enum hook_verdict
bare_error(struct hook *h)
{
	struct stanza *st = stanza_copy(h->stanza);
	struct elem *error = elem_child(st->root, NULL, "error"), *next;

	for (struct elem *e = st->root->first; e; e = next) {
		next = e->next;
		if (e != error)
			elem_remove(e);
	}
	for (struct elem *e = error ? error->first : NULL; e; e = next) {
		next = e->next;
		if (e->name && e->ns == NS_STANZA_ERRORS && !e->first)
			e->attrs = NULL;
		else
			elem_remove(e);
	}
	hook_replace(h, st);
	return HOOK_NEXT;
}

/* Judging */

static enum hook_verdict judge_next(struct hook *h, struct carried *c);
static enum hook_verdict all_judged(struct hook *h);

void
filecheck_free_spool(void *spool)
{
	spool_free(spool);
}

/* core/file/judge has logged it. */
enum hook_verdict
filecheck_refuse_file(struct hook *h, const struct judgement *f)
{
	const char *text = f->text && *f->text ? f->text : "This file cannot be sent.";

	switch (f->verdict) {
	case JUDGE_INFECTED:
	case JUDGE_UNSCANNABLE:
		return filecheck_refuse(h, XERROR_NOT_ACCEPTABLE, NULL, text);
	case JUDGE_FORBIDDEN:
		return filecheck_refuse(h, XERROR_POLICY_VIOLATION, NULL, text);
	default:
		return filecheck_refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", text);
	}
}

static enum hook_verdict
judged(struct hook *h, void *data, bool ok)
{
	struct carried *c = data;

	(void)ok;
	if (c->f.verdict != JUDGE_PASS)
		return filecheck_refuse_file(h, &c->f);
	return c->next ? judge_next(h, c->next) : all_judged(h);
}

static enum hook_verdict
judge_next(struct hook *h, struct carried *c)
{
	struct err e = { 0 };

	c->f.spool = spool_new(c->n, &e);
	if (c->f.spool)
		arena_on_free(hook_memory(h), filecheck_free_spool, c->f.spool);
	if (!c->f.spool || spool_write(c->f.spool, c->data, c->n, &e)) {
		log_warning(NULL, "file-not-collected", "why=%s", e.text);
		return filecheck_refuse(h, XERROR_RESOURCE_CONSTRAINT, "wait", "Files cannot be taken at the moment, try again later.");
	}
	c->f.from = h->from;
	c->f.to = h->to;
	return hook_judge(h, &c->f, c, judged);
}

/* Collecting */

/* 1: a file, 0: none, -1: its base64 is wrong. */
static int
read_base64(struct hook *h, const struct found *f, struct carried *c)
{
	char *data = arena_alloc(hook_memory(h), f->n + 1);
	ssize_t n = text_base64_decode_lines(f->text, f->n, data);

	c->data = data;
	c->n = n > 0 ? (size_t)n : 0;
	c->f.type = f->type ? arena_strdup(hook_memory(h), f->type) : NULL;
	return n < 0 ? -1 : n > 0;
}

static int
read_uri(struct hook *h, const struct found *f, struct carried *c)
{
	struct datauri u;
	enum datauri_result r = datauri_read(hook_memory(h), f->text, f->n, f->prose, &u);

	if (r == DATAURI_BROKEN)
		return f->guess ? 0 : -1;
	if (r == DATAURI_NONE || !u.n || (f->guess && !u.base64))
		return 0;
	c->data = u.data;
	c->n = u.n;
	c->f.type = u.type;
	return 1;
}

/* All of them together have so long: a lane waits, perhaps that of a whole server. -1: one of them is malformed. When there are more than may be, one more than that is taken. */
static int
collect(struct hook *h, const struct found *list, struct carried **out, unsigned *n)
{
	int64_t deadline = clock_mono_ms() + (int64_t)module_limits()->stanza_file_seconds * 1000;
	struct carried *c = NULL;

	for (const struct found *f = list; f && *n <= module_limits()->stanza_files; f = f->next) {
		int got;

		if (f->kind != FOUND_BASE64 && f->kind != FOUND_URI)
			continue;
		if (f->broken)
			return -1;
		if (!c)
			c = arena_zalloc(hook_memory(h), sizeof(*c));
		got = f->kind == FOUND_BASE64 ? read_base64(h, f, c) : read_uri(h, f, c);
		if (got < 0)
			return -1;
		if (!got)
			continue;
		c->f.path = f->path;
		c->f.deadline_ms = deadline;
		*out = c;
		out = &c->next;
		c = NULL;
		++*n;
	}
	return 0;
}

/* Policy */

static bool
in_any(const struct hook *h, const struct config_list *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		if (!strcmp(groups->item[i], "everyone") || module_account_in_group(h, groups->item[i]))
			return true;
	return false;
}

static bool
has(const struct found *list, enum found_kind kind)
{
	while (list && list->kind != kind)
		list = list->next;
	return list;
}

/* An address of an encrypted file (XEP-0448) is asked about as that. */
static bool
is_of_encrypted(const struct elem *e)
{
	while (e && !(e->ns == NS_ESFS && !strcmp(e->name, "encrypted")))
		e = e->parent;
	return e;
}

static bool
any_plain(const struct found *list, struct arena *a)
{
	for (; list; list = list->next)
		if (links_is_foreign(list, a) && !is_of_encrypted(list->e))
			return true;
	return false;
}

/* What files.rules say, and (none does) files.deny_groups and files.encrypted. They are asked for each kind of what nobody here looks into: one that
 * may pass takes no other with it. NULL: nothing is against it; else what the log is told, and people (`text`). */
static const char *
denied(struct hook *h, bool encrypted, bool plain, const char **text)
{
	const struct module_settings *s = module_settings();
	const struct jid *to = h->to ? h->to : h->from;
	enum file_say secret = encrypted ? judge_unseen(h->from, module_account_groups(h), to, true) : FILE_SAY_ALLOW,
		link = plain ? judge_unseen(h->from, module_account_groups(h), to, false) : FILE_SAY_ALLOW;
	bool unseen = encrypted || plain;

	if (secret == FILE_SAY_DENY || link == FILE_SAY_DENY) {
		*text = arena_printf(h->arena, "Your organisation does not allow this file to be sent to %s.", jid_domain(to));
		return "rule";
	}
	/* Where there are rules, the judge asks them of what it sees, and modules/upload of what was uploaded here. */
	if ((unseen ? secret != FILE_SAY_ALLOW || link != FILE_SAY_ALLOW : !s->files.rules.n) && in_any(h, &s->files.deny_groups)) {
		*text = "Your organisation does not allow you to send files.";
		return "group";
	}
	if (secret != FILE_SAY_ALLOW && !in_any(h, &s->files.encrypted)) {
		*text = "Your organisation scans files for malware and cannot scan one that is encrypted from end to end. Switch encryption off for this "
			"conversation and send it again.";
		return "encrypted";
	}
	return NULL;
}

/* NEXT: of what this module knows without looking into files, nothing is against it. */
static enum hook_verdict
ask_policy(struct hook *h, const struct found *list, bool files)
{
	const struct module_settings *s = module_settings();
	bool encrypted = has(list, FOUND_ENCRYPTED), fetched = s->files.links == FILES_LINKS_FETCH;
	struct stanza *stripped;
	const char *why, *text;

	if (!files && !encrypted && !has(list, FOUND_LINK))
		return HOOK_NEXT;
	if (!s->files.on)
		return refuse(h, XERROR_POLICY_VIOLATION, "off", "Your organisation does not allow files to be sent.");
	/* What is fetched the judge will see. */
	why = denied(h, encrypted, !fetched && any_plain(list, h->arena), &text);
	if (why)
		return refuse(h, XERROR_POLICY_VIOLATION, why, text);
	if (s->files.links == FILES_LINKS_ALLOW || fetched || !links_any_foreign(list, h->arena))
		return HOOK_NEXT;
	stripped = s->files.links == FILES_LINKS_STRIP ? links_strip(h->stanza, h->arena) : NULL;
	if (!stripped)
		return refuse(h, XERROR_POLICY_VIOLATION, "link", "Your organisation does not allow files from other servers. "
			"Send the file itself.");
	metric_add(METRIC_FILECHECK_STRIPPED, 1);
	hook_replace(h, stripped);
	return HOOK_NEXT;
}

/* All that is in it may pass. Meanwhile the settings may have become others: they are asked as they are now. */
static enum hook_verdict
all_judged(struct hook *h)
{
	enum hook_verdict v = ask_policy(h, found_in(h->stanza->root, h->arena), true);

	if (v != HOOK_NEXT || is_type(h, "error"))
		return v;
	return module_settings()->files.links == FILES_LINKS_FETCH ? rehost(h) : HOOK_NEXT;
}

static enum hook_verdict
on_send(struct hook *h)
{
	struct found *list = found_in(h->stanza->root, h->arena);
	struct carried *first = NULL;
	enum hook_verdict v;
	unsigned n = 0;

	if (!list)
		return HOOK_NEXT;
	if (is_type(h, "error"))
		return bare_error(h);
	if (collect(h, list, &first, &n))
		return refuse(h, XERROR_BAD_REQUEST, "malformed", "A file in this stanza is not in base64, or has elements in it.");
	if (n > module_limits()->stanza_files)
		return refuse(h, XERROR_POLICY_VIOLATION, "many", "There are too many files in one message.");
	v = ask_policy(h, list, n > 0);
	/* A result that is not to pass has become an error by now. */
	if (v != HOOK_NEXT || is_type(h, "error"))
		return v;
	if (first)
		return judge_next(h, first);
	return module_settings()->files.links == FILES_LINKS_FETCH ? rehost(h) : HOOK_NEXT;
}

static int
attach(struct module *m)
{
	return module_on(m, HOOK_SEND_CHECK, on_send);
}

const struct module_def filecheck_module = {
	.name = "filecheck",
	.about = "Files inside stanzas are scanned (XEP-0054, XEP-0084, XEP-0231, RFC 2397); policy on links and encrypted files",
	.attach = attach,
};
