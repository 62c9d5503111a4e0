/*
 * upload_link: messages that carry addresses of files that were uploaded here: who was sent which is noted with the content. They may be in
 * the body, in out-of-band data (XEP-0066), or in whatever attribute or text says where a file is (XEP-0385, XEP-0447).
 */
#include <string.h>

#include "upload.h"
#include "upload_store.h"

#define PATH "/upload/"

static bool
is_new(const struct upload_sent *s, const char *token)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!memcmp(s->token[i], token, UPLOAD_TOKEN))
			return false;
	return true;
}

/* https://…/upload/TOKEN/NAME */
static void
look_in(struct upload_sent *s, const char *text)
{
	const char *at = text;

	while (s->n < UPLOAD_LINKS_MAX && (at = strstr(at, PATH))) {
		at += strlen(PATH);
		if (strspn(at, "0123456789abcdef") != UPLOAD_TOKEN || at[UPLOAD_TOKEN] != '/' || !is_new(s, at))
			continue;
		memcpy(s->token[s->n], at, UPLOAD_TOKEN);
		s->token[s->n++][UPLOAD_TOKEN] = '\0';
	}
}

static void
look(struct upload_sent *s, const struct elem *root)
{
	for (const struct elem *e = root; e; e = elem_walk(root, e)) {
		if (!e->name)
			look_in(s, e->text);
		for (const struct attr *at = e->attrs; at; at = at->next)
			look_in(s, at->value);
	}
}

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
	struct upload_sent found, *s;

	found.n = 0;
	if (!h->to || !module_settings()->files.on)
		return HOOK_NEXT;
	look(&found, h->stanza->root);
	if (!found.n)
		return HOOK_NEXT;
	s = arena_alloc(hook_memory(h), sizeof(*s));
	*s = found;
	s->from = arena_strdup(hook_memory(h), jid_bare(h->from));
	s->to = arena_strdup(hook_memory(h), jid_bare(h->to));
	s->record_id = h->record_id;
	(void)hook_job(h, s, upload_store_sent, noted);
	return HOOK_NEXT;
}
