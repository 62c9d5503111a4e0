/*
 * upload_link: stanzas that carry addresses of files that were uploaded here. Whether the file may go to whom they are for is asked before
 * (files.rules: at the upload nobody knew for whom it was); who was sent which is noted with the content. Addresses may be in the body, in
 * out-of-band data (XEP-0066), or in whatever attribute or text says where a file is (XEP-0385, XEP-0447).
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "module_file.h"
#include "upload.h"
#include "upload_store.h"
#include "xmpp/ns.h"

/* Where it is, or would be. */
static unsigned
find(const struct upload_links *l, const char *token)
{
	unsigned i = 0;

	while (i < l->n && memcmp(l->token[i], token, UPLOAD_TOKEN) != 0)
		i++;
	return i;
}

/* As those who follow it read it: %XX (RFC 3986 §2.1), and what browsers make of a backslash. */
static const char *
decoded(struct arena *a, const char *text)
{
	char *out, *to;

	if (!strpbrk(text, "%\\"))
		return text;
	out = to = arena_strdup(a, text);
	for (const char *s = text; *s; s++) {
		char c = *s == '\\' ? '/' : *s;

		if (c == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			(void)text_unhex(s + 1, 2, &c);
			s += 2;
		}
		*to++ = c ? c : ' ';
	}
	*to = '\0';
	return out;
}

/* Where the address of an encrypted file (XEP-0454) ends that the text begins with: among words, or with another address in it, it is one that others may
 * read otherwise. The text itself: it is none. */
static const char *
aesgcm_end(const char *text)
{
	const char *s = text + strspn(text, " \t\r\n"), *other;
	size_t n;

	if (strncasecmp(s, "aesgcm://", 9) != 0)
		return text;
	s += 9;
	n = strcspn(s, " \t\r\n");
	other = strstr(s, "://");
	return other && (size_t)(other - s) < n ? other : s + n;
}

/* XEP-0448: the sources of an encrypted file. */
static bool
is_within_encrypted(const struct elem *e)
{
	while (e && !(e->name && e->ns == NS_ESFS && !strcmp(e->name, "encrypted")))
		e = e->parent;
	return e;
}

/* https://…/upload/TOKEN/NAME, with whatever dots on the way. */
static void
look_in(struct upload_links *l, struct arena *a, const struct elem *e, const char *text)
{
	const char *all = decoded(a, text), *end = aesgcm_end(all);

	for (const char *at = strchr(all, '/'); at; at = strchr(at, '/')) {
		unsigned i;

		if (strspn(++at, "0123456789abcdef") != UPLOAD_TOKEN || at[UPLOAD_TOKEN] != '/')
			continue;
		i = find(l, at);
		if (i == UPLOAD_LINKS_MAX) {
			l->more = true;
			return;
		}
		if (i == l->n) {
			memcpy(l->token[i], at, UPLOAD_TOKEN);
			l->token[l->n++][UPLOAD_TOKEN] = '\0';
		}
		if (at < end || is_within_encrypted(e))
			l->encrypted[i] = true;
		else
			l->plain[i] = true;
	}
}

static void
look(struct upload_links *l, struct arena *a, const struct elem *root)
{
	*l = (struct upload_links){ 0 };
	for (const struct elem *e = root; e; e = elem_walk(root, e)) {
		if (!e->name)
			look_in(l, a, e, e->text);
		for (const struct attr *at = e->attrs; at; at = at->next)
			look_in(l, a, e, at->value);
	}
}

bool
upload_is_mentioned(const struct elem *root, struct arena *a)
{
	struct upload_links l;

	look(&l, a, root);
	return l.n > 0;
}

/* May it go there? */

static enum hook_verdict
refuse(struct hook *h, const char *why, const char *text)
{
	metric_add(METRIC_UPLOAD_LINKS_REFUSED, 1);
	log_info(NULL, "upload-link-refused", "from=%s to=%s why=%s", jid_bare(h->from), h->to ? jid_bare(h->to) : "", why);
	return hook_reject(h, XERROR_POLICY_VIOLATION, text);
}

/* NULL, or why not: as what it is said to be, or as both. */
static const char *
denied(struct hook *h, const struct upload_behind *b, unsigned i)
{
	const struct jid *to = h->to ? h->to : h->from;
	const char *why = NULL;

	if (b->links.plain[i])
		why = judge_sent(hook_memory(h), h->from, module_account_groups(h), to, b->file[i].size, b->file[i].type, false);
	if (!why && b->links.encrypted[i])
		why = judge_sent(hook_memory(h), h->from, module_account_groups(h), to, b->file[i].size, b->file[i].type, true);
	return why;
}

static enum hook_verdict
looked_up(struct hook *h, void *data, bool ok)
{
	struct upload_behind *b = data;

	if (!ok)
		return hook_unavailable(h);
	for (unsigned i = 0; i < b->links.n; i++) {
		const char *why = NULL;

		if (b->file[i].state == UPLOAD_OPEN)
			return refuse(h, "unfinished", "The file has not been uploaded yet: send its address when it has been.");
		if (b->file[i].state == UPLOAD_KEPT || b->file[i].state == UPLOAD_HELD)
			why = denied(h, b, i);
		if (why)
			return refuse(h, "rule", why);
	}
	return HOOK_NEXT;
}

enum hook_verdict
upload_on_send(struct hook *h)
{
	const struct module_settings *s = module_settings();
	const char *type = elem_get(h->stanza->root, "type");
	struct upload_links links;
	struct upload_behind *b;

	/* What an error brings back was sent by somebody else; an answer was asked for, and cannot be refused (RFC 6120 §8.2.3). */
	if (!s->files.rules.n || !s->files.on || !h->from || (type && (!strcmp(type, "error") || !strcmp(type, "result"))))
		return HOOK_NEXT;
	look(&links, h->arena, h->stanza->root);
	if (!links.n)
		return HOOK_NEXT;
	if (links.more)
		return refuse(h, "many", "There are too many files in one message.");
	b = arena_zalloc(hook_memory(h), sizeof(*b));
	b->links = links;
	return hook_job(h, b, upload_store_behind, looked_up);
}

/* Who was sent what */

static enum hook_verdict
noted(struct hook *h, void *data, bool ok)
{
	(void)h;
	(void)data;
	(void)ok; /* the message is in the record anyway */
	return HOOK_NEXT;
}

enum hook_verdict
upload_on_sent(struct hook *h)
{
	struct upload_links links;
	struct upload_sent *s;

	if (!h->to || !module_settings()->files.on)
		return HOOK_NEXT;
	look(&links, h->arena, h->stanza->root);
	if (!links.n)
		return HOOK_NEXT;
	s = arena_alloc(hook_memory(h), sizeof(*s));
	s->links = links;
	s->from = arena_strdup(hook_memory(h), jid_bare(h->from));
	s->to = arena_strdup(hook_memory(h), jid_bare(h->to));
	s->record_id = h->record_id;
	(void)hook_job(h, s, upload_store_sent, noted);
	return HOOK_NEXT;
}
