/*
 * saying: taking presence apart into what is plain and what are words, and a table of the words that are in the record.
 *
 * The table is direct-mapped and grows when two meet in a place; what it forgets is recorded once more.
 */
#include "core/route/saying.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "core/home.h"
#include "core/route/plain.h"
#include "core/service/service.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define PLACES_FIRST 4
#define PLACES_MOST 1024 /* of the addresses of another server, or of a component; 24 KiB */
#define AGAIN_MS (24 * 3600 * 1000LL) /* who looks for a day finds what was shown on it */

struct place {
	uint64_t who, words; /* words 0: none */
	int64_t until_ms;
};

struct sayings {
	unsigned n; /* a power of two */
	struct place *places;
};

void
sayings_free(struct sayings *s)
{
	if (s)
		free(s->places);
	free(s);
}

static uint64_t
hash_of_way(const struct packet *p)
{
	uint64_t h[2] = { crypt_hash(jid_full(p->from), jid_full_len(p->from)), p->to ? crypt_hash(jid_full(p->to), jid_full_len(p->to)) : 0 };

	return crypt_hash(h, sizeof(h));
}

static uint64_t
hash_of_words(const struct record_entry *e)
{
	uint64_t h = crypt_hash(e->stanza, e->stanza_len);

	return h ? h : 1;
}

static struct place *
place_of(const struct sayings *s, uint64_t who)
{
	return &s->places[who & (s->n - 1)];
}

static void
set_size(struct sayings *s, unsigned n)
{
	struct sayings old = *s;

	s->n = n;
	s->places = mem_alloc(n * sizeof(*s->places));
	memset(s->places, 0, n * sizeof(*s->places));
	for (unsigned i = 0; i < old.n; i++)
		if (old.places[i].words)
			*place_of(s, old.places[i].who) = old.places[i];
	free(old.places);
}

/* What goes to a room of ours with the wish to enter it: the room takes it out (XEP-0045), and it may have a password in it. */
static bool
is_for_room(const struct packet *p, const struct elem *e)
{
	return elem_is(e, NS_MUC, "x") && p->to && service_of(p->to);
}

static bool
has_words(const struct packet *p)
{
	uint64_t left = home_config()->limits.unrecorded_presence_bytes;

	for (const struct elem *e = elem_first(p->st->root); e; e = elem_next(e, NULL, NULL))
		if (!is_for_room(p, e) && !plain_is_child(e, &left))
			return true;
	return !plain_is_root(p->st->root, &left);
}

static bool
is_token(const char *s)
{
	return plain_is_token(s, strlen(s));
}

/* Words have no id that is one: it is another one each time. */
static void
copy_attributes(struct stanza *out, const struct elem *root, bool plain)
{
	for (const struct attr *a = root->attrs; a; a = a->next) {
		bool address = !a->ns && (!strcmp(a->name, "to") || !strcmp(a->name, "from") || !strcmp(a->name, "type"));
		bool id = !a->ns && !strcmp(a->name, "id"), lang = a->ns == NS_XML && !strcmp(a->name, "lang");
		bool keep = plain ? (id || lang) && is_token(a->value) : !(id && is_token(a->value));

		if (address || keep)
			elem_set_ns(out, out->root, a->ns, a->name, a->value);
	}
}

/* What is plain in it, or what is not. */
static struct stanza *
part(const struct packet *p, bool plain)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");
	uint64_t left = home_config()->limits.unrecorded_presence_bytes;

	copy_attributes(st, p->st->root, plain);
	for (const struct elem *e = p->st->root->first; e; e = e->next) {
		if (e->name && (is_for_room(p, e) || plain_is_child(e, &left)) == plain)
			elem_add_copy(st, st->root, e);
		else if (!e->name && !plain)
			elem_add_text(st, st->root, e->text, e->text_len);
	}
	return st;
}

static void
describe(const struct packet *p, struct record_entry *e)
{
	const struct elem *status = elem_child(p->st->root, NS_CLIENT, "status");
	struct stanza *words = part(p, false);
	struct buf text = { 0 };

	serialize_stanza(&text, words, NS_CLIENT, NULL);
	stanza_unref(words);
	e->kind = RECORD_PRESENCE;
	e->type = p->type == TYPE_NONE ? "available" : elem_get(p->st->root, "type");
	e->client_id = packet_id(p);
	e->body = status ? elem_text(status, p->st->arena) : NULL;
	e->refers_to = NULL;
	e->shown = false;
	e->stanza = arena_strdup(p->st->arena, buf_str(&text));
	e->stanza_len = buf_len(&text);
	buf_fini(&text);
}

bool
saying_is_recorded(struct sayings *s, const struct packet *p, struct record_entry *e)
{
	struct place *known = NULL;
	uint64_t who;

	if (p->kind != PACKET_PRESENCE || packet_is_subscription(p))
		return false;
	if (s) {
		who = hash_of_way(p);
		known = place_of(s, who);
		known = known->who == who && known->words ? known : NULL;
	}
	if (has_words(p)) {
		describe(p, e);
		if (!known || known->words != hash_of_words(e) || known->until_ms < clock_mono_ms()) {
			if (known)
				known->words = 0; /* until these are in the record */
			return true;
		}
	} else if (known) {
		known->words = 0;
	}
	return false;
}

void
saying_keep(struct sayings **sp, const struct packet *p, const struct record_entry *e)
{
	uint64_t who = hash_of_way(p);
	struct place *at;

	if (!*sp) {
		*sp = NEW(struct sayings);
		set_size(*sp, PLACES_FIRST);
	}
	at = place_of(*sp, who);
	while (at->words && at->who != who && (*sp)->n < PLACES_MOST) {
		set_size(*sp, (*sp)->n * 2);
		at = place_of(*sp, who);
	}
	*at = (struct place){ who, hash_of_words(e), clock_mono_ms() + AGAIN_MS };
}

void
saying_leave_out(struct packet *p)
{
	struct stanza *st = part(p, true);

	st->size = p->st->size;
	stanza_unref(p->st);
	p->st = stanza_seal(st);
}
