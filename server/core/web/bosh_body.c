/*
 * bosh_body: see bosh_body.h.
 */
#include "core/web/bosh_body.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

/* A number that is there must be one. */
static bool
read_number(const struct elem *e, const char *name, uint64_t max, uint64_t *out, bool *has)
{
	const char *v = elem_get(e, name);

	*has = v != NULL;
	return !v || text_u64(v, strlen(v), 0, max, out);
}

static const char *
get_xbosh(const struct elem *e, const char *name)
{
	for (const struct attr *a = e->attrs; a; a = a->next)
		if (a->ns && !strcmp(a->ns, NS_XBOSH) && !strcmp(a->name, name))
			return a->value;
	return NULL;
}

static bool
is_true(const char *v)
{
	return v && (!strcmp(v, "true") || !strcmp(v, "1"));
}

/* RFC 6120 §11.6: nothing but UTF-8, and so nothing that says it is something else. */
static bool
declares_utf8(const char *s, const char *end)
{
	static const char name[] = "encoding";
	const char *p = memmem(s, (size_t)(end - s), name, sizeof(name) - 1);
	char quote;

	if (!p)
		return true;
	p += sizeof(name) - 1;
	while (p < end && *p && strchr(" \t\r\n=", *p))
		p++;
	if (end - p < 7 || (*p != '\'' && *p != '"'))
		return false;
	quote = *p++;
	return !strncasecmp(p, "UTF-8", 5) && p[5] == quote;
}

/* Expat takes an XML declaration only at the very beginning of a document, which for it lies behind. One that is not right is left to it, and so
 * an error. */
static const char *
skip_declaration(const char *text, size_t *n)
{
	const char *end;

	if (*n < 6 || memcmp(text, "<?xml ", 6))
		return text;
	end = memmem(text, *n, "?>", 2);
	if (!end || !declares_utf8(text, end))
		return text;
	*n -= (size_t)(end + 2 - text);
	return end + 2;
}

int
bosh_post_read(struct bosh_post *p, const char *text, size_t n, const struct parser_limits *limits)
{
	const struct elem *e;
	const char *type;

	memset(p, 0, sizeof(*p));
	text = skip_declaration(text, &n);
	p->st = n ? parser_one(text, n, NULL, limits) : NULL;
	if (!p->st)
		return -1;
	e = p->st->root;
	if (!elem_is(e, NS_BOSH, "body"))
		return -1;
	type = elem_get(e, "type");
	p->sid = elem_get(e, "sid");
	p->to = elem_get(e, "to");
	p->from = elem_get(e, "from");
	p->key = elem_get(e, "key");
	p->newkey = elem_get(e, "newkey");
	p->ver = elem_get(e, "ver");
	p->lang = elem_lang(e);
	p->version = get_xbosh(e, "version");
	p->restart = is_true(get_xbosh(e, "restart"));
	p->terminate = type && !strcmp(type, "terminate");
	for (const struct elem *c = elem_first(e); c; c = elem_next(c, NULL, NULL))
		p->payloads++;
	return read_number(e, "rid", BOSH_RID_MAX, &p->rid, &p->has_rid) &&
			       read_number(e, "wait", UINT32_MAX, &p->wait, &p->has_wait) &&
			       read_number(e, "hold", UINT32_MAX, &p->hold, &p->has_hold) &&
			       read_number(e, "pause", UINT32_MAX, &p->pause, &p->has_pause)
		       ? 0
		       : -1;
}

void
bosh_post_fini(struct bosh_post *p)
{
	stanza_unref(p->st);
	p->st = NULL;
}

struct elem *
bosh_post_first(struct bosh_post *p)
{
	return elem_first(p->st->root);
}

struct elem *
bosh_post_next(struct elem *e)
{
	return elem_next(e, NULL, NULL);
}

void
bosh_post_payload(struct bosh_post *p, struct elem *e, struct buf *out)
{
	(void)p;
	for (struct elem *at = e; at && e->ns == NS_BOSH; at = elem_walk(e, at))
		if (at != e && at->name && at->ns == NS_BOSH)
			at->ns = NS_CLIENT;
	if (e->ns == NS_BOSH)
		e->ns = NS_CLIENT;
	serialize_elem(out, e, NULL);
}

void
bosh_answer_write(struct buf *out, const struct bosh_answer *a)
{
	buf_adds(out, "<body xmlns='http://jabber.org/protocol/httpbind'");
	if (a->type)
		buf_addf(out, " type='%s'", a->type);
	if (a->condition)
		buf_addf(out, " condition='%s'", a->condition);
	if (a->attributes)
		buf_adds(out, a->attributes);
	if (!a->len) {
		buf_adds(out, "/>");
		return;
	}
	/* XEP-0206 §2 */
	buf_adds(out, " xmlns:stream='http://etherx.jabber.org/streams'>");
	buf_add(out, a->payload, a->len);
	buf_adds(out, "</body>");
}
