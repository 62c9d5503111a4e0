/*
 * plain: the table of what has nobody's words in it.
 *
 * Whatever passes without a record is a way around it. So what the table lets pass is made of tokens only: of printable ASCII without a space, short, each in
 * its place, not many. A client's name with a space in it ("Some Client 1.0") is recorded: that is rare, and costs a record.
 */
#include "core/route/plain.h"

#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/xerror.h"

#define TOKEN_BYTES 128 /* of a node, a feature, an id */
#define NUMBER_BYTES 10
#define TIME_BYTES 35
#define HASH_BYTES 88 /* SHA-512 in base64 */

/* What the values are that an element has: its text, its attributes. */
enum value { TOKEN, NUMBER, TIME, HASH, SHOW };

struct row {
	const char *ns, *parent, *name; /* parent NULL: the stanza */
	bool text;                      /* has a value for a text, too */
	const char *attributes[4];      /* that it may have */
	unsigned most;                  /* of them in one parent, as of many words one by one a sentence is made; 0: any number */
	enum value is;
	const char *parent_ns;          /* NULL: its own */
};

static const struct row iqs[] = {
	{ NS_PING, NULL, "ping", .text = false },
	{ NS_DISCO_INFO, NULL, "query", .attributes = { "node" } },
	{ NS_DISCO_INFO, "query", "identity", .attributes = { "category", "type", "name" }, .most = 2 },
	{ NS_DISCO_INFO, "query", "feature", .attributes = { "var" } },
	{ NS_DISCO_ITEMS, NULL, "query", .attributes = { "node" } },
	{ NS_DISCO_ITEMS, "query", "item", .attributes = { "jid", "node", "name" }, .most = 1 },
	{ NS_VERSION, NULL, "query", .text = false },
	{ NS_VERSION, "query", "name", .text = true, .most = 1 },
	{ NS_VERSION, "query", "version", .text = true, .most = 1 },
	{ NS_VERSION, "query", "os", .text = true, .most = 1 },
	{ NS_TIME, NULL, "time", .text = false },
	{ NS_TIME, "time", "tzo", .text = true, .most = 1 },
	{ NS_TIME, "time", "utc", .text = true, .most = 1 },
	{ NS_LAST, NULL, "query", .attributes = { "seconds" } },
	{ NS_VCARD, NULL, "vCard", .text = false }, /* asked for through a room; one with something in it is another matter */
	{ NS_CLIENT, NULL, "error", .attributes = { "type", "code", "by" } },
};

static const struct row presences[] = {
	{ NS_CLIENT, NULL, "show", .text = true, .most = 1, .is = SHOW },
	{ NS_CLIENT, NULL, "priority", .text = true, .most = 1, .is = NUMBER },
	{ NS_CLIENT, NULL, "status", .most = 1 }, /* an empty one */
	{ NS_CLIENT, NULL, "error", .attributes = { "type", "code", "by" }, .most = 1 },
	{ NS_CAPS, NULL, "c", .attributes = { "node", "ver", "hash", "ext" }, .most = 1 },
	{ NS_CAPS2, NULL, "c", .most = 1 },
	{ NS_HASHES, "c", "hash", .text = true, .attributes = { "algo" }, .most = 4, .is = HASH, .parent_ns = NS_CAPS2 },
	{ NS_IDLE, NULL, "idle", .attributes = { "since" }, .most = 1, .is = TIME },
	{ NS_LAST, NULL, "query", .attributes = { "seconds" }, .most = 1, .is = NUMBER },
	{ NS_DELAY, NULL, "delay", .attributes = { "from", "stamp" }, .most = 1 },
	{ NS_VCARD_UPDATE, NULL, "x", .most = 1 },
	{ NS_VCARD_UPDATE, "x", "photo", .text = true, .most = 1, .is = HASH },
	{ NS_OCCUPANT_ID, NULL, "occupant-id", .attributes = { "id" }, .most = 1 },
	{ NS_MUC, NULL, "x", .most = 1 },
	{ NS_MUC, "x", "history", .attributes = { "maxchars", "maxstanzas", "seconds", "since" }, .most = 1, .is = TIME },
	{ NS_MUC, "x", "password", .text = true, .most = 1 },
	{ NS_MUC_USER, NULL, "x", .most = 1 },
	{ NS_MUC_USER, "x", "item", .attributes = { "affiliation", "role", "jid", "nick" }, .most = 1 },
	{ NS_MUC_USER, "x", "status", .attributes = { "code" }, .most = 8, .is = NUMBER },
};

bool
plain_is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n <= TOKEN_BYTES;
}

/* Digits and these, and letters. */
static bool
is_of(const char *s, size_t n, size_t most, bool letters, const char *others)
{
	for (size_t i = 0; i < n; i++) {
		bool digit = s[i] >= '0' && s[i] <= '9', letter = (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z';

		if (!digit && !(letter && letters) && !(s[i] && strchr(others, s[i])))
			return false;
	}
	return n <= most;
}

static bool
is_show(const char *s, size_t n)
{
	static const char *const shows[] = { "away", "chat", "dnd", "xa" };

	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++)
		if (strlen(shows[i]) == n && !memcmp(shows[i], s, n))
			return true;
	return false;
}

static bool
is_value(enum value is, const char *s, size_t n)
{
	switch (is) {
	case NUMBER:
		return is_of(s, n, NUMBER_BYTES, false, "+-");
	case TIME:
		return is_of(s, n, TIME_BYTES, false, "+-:.TZ");
	case HASH:
		return is_of(s, n, HASH_BYTES, true, "+/=-");
	case SHOW:
		return is_show(s, n);
	default:
		return plain_is_token(s, n);
	}
}

/* Attributes of `e` are those of its row, and such values; their bytes are taken off `left`. */
static bool
has_only(const struct elem *e, const struct row *r, uint64_t *left)
{
	for (const struct attr *a = e->attrs; a; a = a->next) {
		bool lang = a->ns == NS_XML && !strcmp(a->name, "lang"), known = lang;
		size_t len = strlen(a->value);

		for (size_t i = 0; i < 4 && r->attributes[i] && !known; i++)
			known = !a->ns && !strcmp(a->name, r->attributes[i]);
		if (!known || !is_value(lang ? TOKEN : r->is, a->value, len) || len > *left)
			return false;
		*left -= len;
	}
	return true;
}

/* White space is nobody's words, as long as there is little of it. */
static bool
has_text(const struct elem *e, const struct row *r, uint64_t *left)
{
	for (const struct elem *c = e->first; c; c = c->next) {
		if (c->name)
			continue;
		if (c->text_len > *left ||
			(strspn(c->text, " \t\r\n") < c->text_len && !(r && r->text && is_value(r->is, c->text, c->text_len))))
			return false;
		*left -= c->text_len;
	}
	return true;
}

/* The condition of an error, which has a name of RFC 6120 and nothing in it. */
static bool
is_condition(const struct elem *e, const struct elem *root)
{
	return e->ns == NS_STANZA_ERRORS && elem_is(e->parent, NS_CLIENT, "error") && e->parent->parent == root && xerror_of(root) != XERROR_NONE &&
		!strcmp(e->name, xerror_name(xerror_of(root))) && !e->attrs && !e->first;
}

static bool
are_too_many(const struct elem *e, const struct row *r)
{
	unsigned n = 0;

	for (; r->most && e && n <= r->most; e = elem_next(e, r->ns, r->name))
		n++;
	return n > r->most && r->most;
}

static bool
is_plain(const struct elem *e, const struct elem *root, uint64_t *left)
{
	bool presence = !strcmp(root->name, "presence");
	const struct row *rows = presence ? presences : iqs;
	size_t n = presence ? sizeof(presences) / sizeof(presences[0]) : sizeof(iqs) / sizeof(iqs[0]);
	const struct elem *parent = e->parent == root ? NULL : e->parent;

	if (parent && parent->parent != root)
		return false;
	for (const struct row *r = rows; r < rows + n; r++) {
		if (e->ns != r->ns || strcmp(e->name, r->name) || !parent != !r->parent)
			continue;
		if (parent && !elem_is(parent, r->parent_ns ? r->parent_ns : r->ns, r->parent))
			continue;
		return !are_too_many(e, r) && has_only(e, r, left) && has_text(e, r, left);
	}
	return is_condition(e, root);
}

bool
plain_is_child(const struct elem *e, uint64_t *left)
{
	for (const struct elem *i = e; i; i = elem_walk(e, i))
		if (i->name && !is_plain(i, e->parent, left))
			return false;
	return true;
}

bool
plain_is_root(const struct elem *root, uint64_t *left)
{
	static const char *const names[] = { "to", "from", "type" };

	for (const struct attr *a = root->attrs; a; a = a->next) {
		bool known = (a->ns == NS_XML && !strcmp(a->name, "lang")) || (!a->ns && !strcmp(a->name, "id"));

		if (known && !plain_is_token(a->value, strlen(a->value)))
			return false;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !known; i++)
			known = !a->ns && !strcmp(a->name, names[i]);
		if (!known)
			return false;
	}
	return has_text(root, NULL, left);
}

bool
plain_is(const struct stanza *st, uint64_t bytes)
{
	const struct elem *root = st->root;
	uint64_t left = bytes;

	for (const struct elem *e = elem_first(root); e; e = elem_next(e, NULL, NULL))
		if (!plain_is_child(e, &left))
			return false;
	return plain_is_root(root, &left);
}
