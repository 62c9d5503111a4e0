/*
 * parser: expat to stanzas, within bounds. Called by the owner of a stream with what arrives. This
 * file is about bytes and about what the owner is told; parser_tree.c makes the trees. What is of the
 * plainest kind and here as a whole never comes to expat (parser_quick.c).
 *
 * Bytes go to expat in slices that never reach behind the end of a top-level element: a slice ends
 * at the first '>' which, for all we know without parsing, may be that end. This needs no second
 * opinion on XML: expat does not care how its input is cut, and an end tag or empty-element tag
 * ends at a '>' behind "/" or in a tag that began with "</", of which as many are needed as elements
 * are open. What it buys: when a top-level element is complete, expat has seen nothing behind it.
 * So the owner is called outside of expat, may stop, restart or free the parser, `*used` is exact,
 * a stanza's size is the sum of its slices, and an expat parser between two stanzas holds nothing
 * of its stream and can serve the next (expat_pool.h).
 *
 * An unfinished tag is scanned again by expat with each slice. When it gets long, what cannot
 * complete it is held back until it is worth a scan, so that a tag sent byte by byte costs linear
 * time.
 */
#include "xmpp/parser.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/parser_state.h"
#include "xmpp/serialize.h"

#define SLICE_MAX 2048   /* keeps expat's own buffer small */
#define HOLD_MIN 1024    /* an unfinished tag shorter than this is cheap to scan again */
#define RESCAN_FACTOR 64 /* scans of a whole token of the largest size … */
#define RESCAN_BASE ((size_t)1 << 20) /* … and so many bytes besides, before it is too much */
#define GROWTH_FREE 4096              /* what may be written beyond twice what was read */

/* Where in a tag the bytes given to expat have ended. */
enum { TAG_NONE = 0, TAG_OPEN = '<', TAG_INSIDE = ' ' /* or a quote */ };

static const char *const error_texts[] = {
	[PARSER_OK] = "no error",
	[PARSER_NOT_WELL_FORMED] = "not well-formed",
	[PARSER_RESTRICTED] = "comment, processing instruction, DTD or entity",
	[PARSER_BAD_NAMESPACE] = "wrong namespace of the stream element",
	[PARSER_BAD_PREFIX] = "unbound or reserved namespace prefix",
	[PARSER_BAD_FORMAT] = "not a stream, or text between stanzas",
	[PARSER_TOO_BIG] = "stanza over a limit",
	[PARSER_BAD_ENCODING] = "encoding other than UTF-8",
};

const char *
parser_error_text(enum parser_error e)
{
	return error_texts[e];
}

static enum parser_error
error_of_expat(enum XML_Error e)
{
	switch (e) {
	case XML_ERROR_UNDEFINED_ENTITY:
		return PARSER_RESTRICTED;
	case XML_ERROR_UNBOUND_PREFIX:
	case XML_ERROR_UNDECLARING_PREFIX:
	case XML_ERROR_RESERVED_PREFIX_XML:
	case XML_ERROR_RESERVED_PREFIX_XMLNS:
	case XML_ERROR_RESERVED_NAMESPACE_URI:
		return PARSER_BAD_PREFIX;
	case XML_ERROR_UNKNOWN_ENCODING:
	case XML_ERROR_INCORRECT_ENCODING:
		return PARSER_BAD_ENCODING;
	case XML_ERROR_NO_MEMORY:
	case XML_ERROR_AMPLIFICATION_LIMIT_BREACH:
		return PARSER_TOO_BIG;
	default:
		return PARSER_NOT_WELL_FORMED;
	}
}

/* ---- slices ---- */

/* Goes on within a tag: returns the bytes up to its end, or n. Inside of a tag quotes do nothing
 * but enclose values, so its end is the first '>' outside of them. TAG_NONE afterwards: it ended, or
 * it is no tag but a comment or the like. */
static size_t
scan_tag(char *tag, const char *s, size_t n)
{
	size_t i = 0;

	if (*tag == TAG_OPEN && n > 0) {
		*tag = s[0] == '!' || s[0] == '?' ? TAG_NONE : TAG_INSIDE;
		if (*tag == TAG_NONE)
			return 0;
	}
	while (i < n) {
		if (*tag != TAG_INSIDE) {
			const char *quote = memchr(s + i, *tag, n - i);

			if (quote == NULL)
				return n;
			i = (size_t)(quote - s);
			*tag = TAG_INSIDE;
		} else if (s[i] == '\'' || s[i] == '"') {
			*tag = s[i];
		} else if (s[i] == '>') {
			*tag = TAG_NONE;
			return i + 1;
		}
		i++;
	}
	return n;
}

/* How many of n bytes surely do not reach behind the end of a top-level element; see above. */
static size_t
slice_length(const struct parser *p, const char *s, size_t n)
{
	unsigned need = p->depth > 1 ? p->depth - 1 : 1;
	bool closing = true; /* the slice may begin within an end tag */
	size_t at = 0;

	while (at < n) {
		const char *gt = memchr(s + at, '>', n - at), *lt;

		if (gt == NULL)
			break;
		lt = memrchr(s + at, '<', (size_t)(gt - s) - at);
		if (lt != NULL)
			closing = lt[1] == '/';
		if (p->depth == 0 || closing || gt == s || gt[-1] == '/')
			need--;
		at = (size_t)(gt - s) + 1;
		if (need == 0)
			return at;
	}
	return n;
}

/* After a slice: what expat has not finished, and whether it is a tag. */
static void
note_pending(struct parser *p, const char *s, size_t n)
{
	XML_Index index = XML_GetCurrentByteIndex(p->x->xml);
	size_t left = (size_t)(p->x->fed - (uint64_t)(index < 0 ? 0 : index));
	const char *token;

	if (left > SLICE_MAX)
		p->x->heavy = true;
	if (left <= n) { /* the token began in this slice */
		p->rescanned = 0;
		p->tag = TAG_NONE;
		token = s + n - left;
		if (left > 0 && token[0] == '<') {
			p->tag = TAG_OPEN;
			scan_tag(&p->tag, token + 1, left - 1);
		}
	}
	p->pending = left;
	if (left > p->limits.token_bytes)
		parser_fail(p, PARSER_TOO_BIG);
}

static void
parse_slice(struct parser *p, const char *s, size_t n)
{
	struct expat *x = p->x;

	/* Only comments and the like get here with a long token: they are refused at their end. */
	p->rescanned += p->pending;
	if (p->rescanned / RESCAN_FACTOR > p->limits.token_bytes + RESCAN_BASE / RESCAN_FACTOR) {
		parser_fail(p, PARSER_TOO_BIG);
		return;
	}
	if (XML_Parse(x->xml, s, (int)n, 0) != XML_STATUS_OK) {
		parser_fail(p, error_of_expat(XML_GetErrorCode(x->xml)));
		return;
	}
	x->fed += n;
	if (p->error == PARSER_OK)
		note_pending(p, s, n);
	assert(p->done == NULL || p->pending == 0);
	if (p->depth == 1 && p->pending == 0 && p->done == NULL)
		p->size = 0; /* it was the start tag or white space */
}

static void
borrow(struct parser *p)
{
	enum expat_kind kind = p->depth == 0 ? EXPAT_BLANK : (enum expat_kind)p->kind;

	if (p->x != NULL)
		return;
	p->x = expat_take(kind, p->tag_text, parser_set_handlers);
	XML_SetUserData(p->x->xml, p);
}

/* A mark or a NUL at the beginning turns expat to UTF-16 whatever encoding it was created with. RFC
 * 6120 §11.6 knows UTF-8 only, and U+FEFF as no mark but a character, which may not stand there. */
static bool
may_be_header(const struct parser *p, const char *s, size_t n)
{
	if (p->depth > 0 || memchr(s, '\0', n) != NULL)
		return p->depth > 0;
	return p->size > 0 || *s == '<' || parser_is_space(s, 1);
}

/* Takes some of n > 0 bytes; returns how many. */
static size_t
take_slice(struct parser *p, const char *s, size_t n)
{
	size_t most = p->pending > SLICE_MAX ? p->pending : SLICE_MAX, len = 0;
	bool in_tag = p->tag != TAG_NONE;
	struct buf *held;

	if (n > most)
		n = most;
	borrow(p);
	held = &p->x->held;
	if (in_tag)
		len = scan_tag(&p->tag, s, n);
	if (len == 0)
		len = slice_length(p, s, n);
	if (!may_be_header(p, s, len)) {
		parser_fail(p, PARSER_NOT_WELL_FORMED);
		return 0;
	}
	if (len > p->limits.stanza_bytes - p->size ||
	    (in_tag && p->pending + buf_len(held) + len > p->limits.token_bytes)) {
		parser_fail(p, PARSER_TOO_BIG);
		return 0;
	}
	p->size += len;
	if (p->tag != TAG_NONE && p->pending >= HOLD_MIN && buf_len(held) + len < p->pending) {
		buf_add(held, s, len);
	} else if (buf_len(held) > 0) {
		buf_add(held, s, len);
		parse_slice(p, buf_data(held), buf_len(held));
		buf_clear(held);
	} else {
		parse_slice(p, s, len);
	}
	return len;
}

/* Of a stream with a namespace of its own that nobody knows only expat knows the name. */
static bool
may_be_quick(const struct parser *p)
{
	return p->depth == 1 && p->size == 0 && !p->closed && (p->kind != EXPAT_OWN || *p->content_ns != '\0');
}

/* Takes some of n > 0 bytes; returns how many. */
static size_t
take(struct parser *p, const char *s, size_t n)
{
	size_t whole = may_be_quick(p) ? parser_quick(p, s, n) : 0;

	if (whole == 0)
		return take_slice(p, s, n);
	p->size = whole;
	return whole;
}

/* ---- what the owner is told ---- */

static bool
may_go_on(const struct parser *p)
{
	return p->error == PARSER_OK && !p->stopped && !p->restarted && !p->freed;
}

static void
tell_header(struct parser *p)
{
	struct arena *a = p->header_arena;
	struct parser_header *h = p->header;

	p->opened = false;
	p->header_arena = NULL;
	p->header = NULL;
	p->ops->opened(p->owner, h);
	arena_free(a);
}

/* The limit on growth is what keeps a stanza of 100 kB from being 80 MB when it is written. */
static void
tell_stanza(struct parser *p)
{
	struct stanza *st = p->done;
	bool grows = p->written > p->declared && p->written - p->declared > p->size + GROWTH_FREE;

	if (p->prefixed)
		p->x->strange += p->size;
	if (p->declared > PARSER_TAG_KEPT)
		p->x->heavy = true;
	st->size = (uint32_t)(p->size < UINT32_MAX ? p->size : UINT32_MAX);
	p->done = NULL;
	p->size = p->declared = p->written = 0;
	p->prefixed = false;
	p->ns = NULL;
	if (grows) {
		stanza_unref(st);
		parser_fail(p, PARSER_TOO_BIG);
		return;
	}
	p->ops->stanza(p->owner, st);
}

static void
tell(struct parser *p)
{
	if (p->opened && may_go_on(p))
		tell_header(p);
	if (p->done != NULL && may_go_on(p))
		tell_stanza(p);
	if (p->ended && may_go_on(p)) {
		p->ended = false;
		p->closed = true;
		p->size = 0;
		p->ops->closed(p->owner);
	}
}

/* White space between stanzas and behind the last needs no expat. */
static size_t
skip_space(struct parser *p, const char *s, size_t n)
{
	size_t i = 0;

	if (!p->closed && (p->depth != 1 || p->size > 0))
		return 0;
	while (i < n && parser_is_space(s + i, 1))
		i++;
	if (p->closed && i < n)
		parser_fail(p, PARSER_NOT_WELL_FORMED);
	return i;
}

/* Forgets the stream, keeps who is called and the limits. */
static void
drop_stream(struct parser *p)
{
	struct parser keep = {.ops = p->ops,
			      .owner = p->owner,
			      .limits = p->limits,
			      .error = p->error,
			      .feeding = p->feeding,
			      .restarted = p->restarted,
			      .stopped = p->stopped,
			      .freed = p->freed,
			      .framed = p->framed,
			      .kind = p->framed ? EXPAT_FRAMED : 0,
			      .depth = p->framed ? 1 : 0,
			      .content_ns = ""};

	expat_discard(p->x);
	stanza_unref(p->st);
	stanza_unref(p->done);
	arena_free(p->header_arena);
	free(p->tag_text);
	*p = keep;
}

/* At the end of a feed: nothing half-received, no expat parser. A stream with a start tag of its own
 * keeps it, unless it has grown: then the next bytes get a new one that is shown the tag again. */
static void
give_back(struct parser *p)
{
	bool between = p->depth == 1 && p->size == 0 && p->pending == 0;

	if (p->x == NULL || !(between || p->closed))
		return;
	if (p->closed) {
		expat_discard(p->x);
	} else if (p->kind != EXPAT_OWN) {
		expat_give(p->x);
	} else if (expat_is_worn(p->x) && p->tag_text != NULL) {
		expat_discard(p->x);
	} else {
		return;
	}
	p->x = NULL;
}

enum parser_error
parser_feed(struct parser *p, const char *data, size_t n, size_t *used)
{
	enum parser_error error;
	size_t at = 0;

	p->stopped = p->restarted = false;
	p->feeding = true;
	tell(p); /* what a stop has held back */
	while (at < n && may_go_on(p)) {
		at += skip_space(p, data + at, n - at);
		if (at == n || !may_go_on(p))
			break;
		at += take(p, data + at, n - at);
		tell(p);
	}
	*used = at;
	p->feeding = false;
	error = (enum parser_error)p->error;
	if (p->freed)
		parser_free(p);
	else if (error != PARSER_OK)
		drop_stream(p);
	else
		give_back(p);
	return error;
}

void
parser_stop(struct parser *p)
{
	p->stopped = true;
}

void
parser_restart(struct parser *p)
{
	drop_stream(p);
	p->error = PARSER_OK;
	p->restarted = true;
}

struct parser *
parser_new(const struct parser_ops *ops, void *owner, const struct parser_limits *limits)
{
	struct parser *p = NEW(struct parser);

	p->ops = ops;
	p->owner = owner;
	p->limits = *limits;
	p->content_ns = "";
	return p;
}

struct parser *
parser_new_framed(const struct parser_ops *ops, void *owner, const struct parser_limits *limits)
{
	struct parser *p = parser_new(ops, owner, limits);

	p->framed = true;
	p->kind = EXPAT_FRAMED;
	p->depth = 1;
	return p;
}

void
parser_free(struct parser *p)
{
	if (p == NULL)
		return;
	if (p->feeding) {
		p->freed = true; /* parser_feed does it on its way out */
		return;
	}
	drop_stream(p);
	free(p);
}

void
parser_set_limits(struct parser *p, const struct parser_limits *limits)
{
	p->limits = *limits;
}

int
parser_is_idle(const struct parser *p)
{
	return p->error == PARSER_OK && p->depth <= 1 && p->size == 0 && !p->ended;
}

/* ---- one element ---- */

struct one {
	struct stanza *st;
	bool more;
};

static void
one_opened(void *owner, const struct parser_header *h)
{
	(void)owner;
	(void)h;
}

static void
one_stanza(void *owner, struct stanza *st)
{
	struct one *one = owner;

	one->more = one->st != NULL;
	stanza_unref(one->st);
	one->st = st;
}

static void
one_closed(void *owner)
{
	((struct one *)owner)->more = true;
}

/* A start tag that makes `ns` the default namespace. */
static char *
start_tag(const char *ns)
{
	struct buf b = {0};

	buf_addf(&b, "<stream:stream xmlns:stream='%s' xmlns='", NS_STREAMS);
	serialize_attr(&b, ns, strlen(ns));
	buf_adds(&b, "'>");
	buf_str(&b);
	return b.data;
}

struct stanza *
parser_one(const char *xml, size_t n, const char *ns, const struct parser_limits *limits)
{
	static const struct parser_ops ops = {one_opened, one_stanza, one_closed};
	/* What we wrote ourselves was within the limits of its day. */
	static const struct parser_limits wide = {.stanza_bytes = INT_MAX,
						  .token_bytes = INT_MAX,
						  .memory_bytes = SIZE_MAX / 2,
						  .depth = UINT_MAX,
						  .attributes = UINT_MAX,
						  .namespaces = UINT_MAX};
	struct one one = {0};
	struct parser *p = parser_new(&ops, &one, limits != NULL ? limits : &wide);
	const char *known = ns_intern(ns != NULL ? ns : "");
	size_t used;
	bool good;

	p->depth = 1;
	p->content_ns = known != NULL ? known : "";
	p->kind = (uint8_t)expat_kind_of(p->content_ns);
	if (p->kind == EXPAT_OWN)
		p->tag_text = start_tag(ns != NULL ? ns : "");
	good = parser_feed(p, xml, n, &used) == PARSER_OK && parser_is_idle(p) && !one.more;
	parser_free(p);
	if (!good) {
		stanza_unref(one.st);
		return NULL;
	}
	return one.st;
}
