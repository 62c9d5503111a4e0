#include "links.h"

#include <string.h>
#include <strings.h>

#include "module_service.h"
#include "xmpp/ns.h"

/* Addresses of what is looked at elsewhere (modules/transfer, or as the file itself), of people, or of places. */
static const char *const others[] = { "cid:", "xmpp:", "data:", "aesgcm:", "mailto:", "tel:", "sip:", "geo:" };

static bool
is_ours(const char *host, size_t n, struct arena *a)
{
	struct jid *j = n ? jid_new(NULL, arena_strndup(a, host, n), NULL) : NULL;
	bool ours = j && (module_is_local(j) || module_is_service(j));

	jid_unref(j);
	return ours;
}

/* The host of an address that everybody reads alike; 0: it is not such a one. */
static size_t
host_of(const char *url, const char **host)
{
	const char *at = strstr(url, "://"), *c;
	size_t n;

	if (!at || (strncasecmp(url, "https://", 8) && strncasecmp(url, "http://", 7)))
		return 0;
	for (c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '\\' || *c == 0x7f)
			return 0;
	*host = at + 3;
	n = strcspn(*host, "/?#");
	if (memchr(*host, '@', n))
		return 0;
	if (**host == '[')
		return strcspn(*host, "]") < n ? strcspn(*host, "]") + 1 : 0;
	return strcspn(*host, ":/?#");
}

/* web.url, and where else this server's files are. */
static bool
is_at_base(const char *url)
{
	struct buf base = { 0 };
	bool is = false;

	for (unsigned i = 0; !is && module_domain(i); i++) {
		buf_clear(&base);
		is = module_web_base(module_domain(i), &base) && !strncasecmp(url, buf_str(&base), buf_len(&base)) &&
			url[buf_len(&base)] == '/';
	}
	buf_fini(&base);
	return is;
}

const char *
links_trim(const char *text, size_t n, struct arena *a)
{
	const char *end = text + n;

	while (text < end && (unsigned char)*text <= ' ')
		text++;
	while (end > text && (unsigned char)end[-1] <= ' ')
		end--;
	return arena_strndup(a, text, (size_t)(end - text));
}

bool
links_is_foreign(const struct found *f, struct arena *a)
{
	const char *url, *host;
	size_t n;

	if (f->kind != FOUND_LINK)
		return false;
	url = links_trim(f->text, f->n, a);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncasecmp(url, others[i], strlen(others[i])))
			return false;
	n = host_of(url, &host);
	return *url && !(n && (is_ours(host, n, a) || is_at_base(url)));
}

bool
links_any_foreign(const struct found *list, struct arena *a)
{
	for (const struct found *f = list; f; f = f->next)
		if (links_is_foreign(f, a))
			return true;
	return false;
}

/* What offers the file: a child of the message, or of the one that it forwards (XEP-0297). NULL: it is out already. */
static struct elem *
offer_of(const struct stanza *st, const struct found *f)
{
	struct elem *e = (struct elem *)f->e, *up;

	for (up = e; up->parent; up = up->parent)
		;
	if (up != st->root)
		return NULL;
	while (!f->alone && e->parent != st->root && !elem_is(e->parent, NS_CLIENT, "message"))
		e = e->parent;
	return e;
}

struct stanza *
links_strip(const struct stanza *st, struct arena *a)
{
	struct stanza *copy = stanza_copy(st);
	bool message = elem_is(copy->root, NS_CLIENT, "message"), readable = elem_child(copy->root, NS_CLIENT, "body");

	for (const struct found *f = found_in(copy->root, a); f; f = f->next) {
		struct elem *e = links_is_foreign(f, a) ? offer_of(copy, f) : NULL;

		if (!e)
			continue;
		if (!f->alone && (!message || !readable)) {
			stanza_unref(copy);
			return NULL;
		}
		elem_remove(e);
	}
	return copy;
}
