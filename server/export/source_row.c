/*
 * source_row: a row of the record becomes what formats see.
 */
#include <stdlib.h>
#include <string.h>

#include "archive/log/log.h"
#include "archive/query.h"
#include "base/file_name.h"
#include "base/mem.h"
#include "base/text.h"
#include "export/source_priv.h"
#include "store/file_store.h"
#include "store/record.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define NAMES_MAX 20000    /* then they are forgotten, and asked for again */
#define NAME_BYTES 200     /* of a name; more is cut */

/* Addresses */

bool
source_is_ours(const struct export_source *s, const char *bare)
{
	const char *domain = bare ? strchr(bare, '@') : NULL;

	for (size_t i = 0; domain && i < s->set.nhosts; i++)
		if (!strcmp(domain + 1, s->set.hosts[i]))
			return true;
	return false;
}

/* Of this server: people, its rooms and services, itself. What is below its name otherwise is a component's or a network's. */
static bool
is_here(const struct export_source *s, const char *bare)
{
	static const char *const services[] = { "", "conference.", "proxy.", "pubsub.", "upload." };
	const char *at = strchr(bare, '@'), *domain = at ? at + 1 : bare;

	for (size_t i = 0; i < s->set.nhosts; i++)
		for (size_t k = 0; k < sizeof(services) / sizeof(services[0]); k++) {
			size_t n = strlen(services[k]);

			if (!strncmp(domain, services[k], n) && !strcmp(domain + n, s->set.hosts[i]))
				return true;
		}
	return false;
}

/* What happens in a room is recorded from whoever did it to the room. What a room elsewhere says comes from it, to one of ours. */
const char *
source_conversation(const struct export_source *s, struct arena *a, int kind, int direction, const char *type, const char *from,
	const char *to, enum export_place *place)
{
	bool room = (kind >= RECORD_ROOM_ENTER && kind <= RECORD_MODERATION) || (type && !strcmp(type, "groupchat"));

	*place = room ? EXPORT_ROOM : EXPORT_PAIR;
	if (!from || !to)
		return from ? from : to ? to : "";
	if (room)
		return direction == RECORD_IN && source_is_ours(s, to) ? from : to;
	return strcmp(from, to) < 0 ? arena_printf(a, "%s %s", from, to) : strcmp(from, to) > 0 ? arena_printf(a, "%s %s", to, from) : from;
}

/* Names */

static struct source_name *
find_name(const struct export_source *s, const char *bare)
{
	struct source_name *n;

	HASH_FIND_STR(s->names, bare, n);
	return n;
}

static void
keep_name(struct export_source *s, const char *bare)
{
	struct source_name *n = NEW(struct source_name);

	n->bare = mem_strdup(bare);
	HASH_ADD_KEYPTR(hh, s->names, n->bare, strlen(n->bare), n);
}

void
source_forget_names(struct export_source *s)
{
	struct source_name *n, *next;

	HASH_ITER(hh, s->names, n, next) {
		HASH_DEL(s->names, n);
		free(n->bare);
		free(n->name);
		free(n);
	}
}

/* <FN/> of a vCard (XEP-0054 §3), on one line. */
static char *
full_name(struct arena *a, const char *vcard)
{
	struct stanza *st = parser_one(vcard, strlen(vcard), NULL, NULL);
	const struct elem *fn = st ? elem_child(st->root, NULL, "FN") : NULL;
	char *text = fn ? arena_strdup(a, elem_text(fn, a)) : NULL, *out = NULL;
	size_t n = text ? strlen(text) : 0;

	stanza_unref(st);
	if (n > NAME_BYTES)
		for (n = NAME_BYTES; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
			;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	if (n && strspn(text, " ") < n)
		out = mem_strndup(text, n);
	return out;
}

static size_t
unknown_names(struct export_source *s, const char **bare)
{
	size_t n = 0;

	for (int i = 0; i < PQntuples(s->page.rows); i++)
		for (int col = ROW_FROM; col <= ROW_TO; col += ROW_TO - ROW_FROM) {
			const char *b = sql_text(s->page.rows, i, col);

			if (!*b || find_name(s, b))
				continue;
			keep_name(s, b);
			if (source_is_ours(s, b))
				bare[n++] = b;
		}
	return n;
}

int
source_learn_names(struct export_source *s, struct err *e)
{
	const char *bare[2 * SOURCE_PAGE];
	PGresult *rows;
	size_t n;

	if (HASH_COUNT(s->names) > NAMES_MAX)
		source_forget_names(s);
	n = unknown_names(s, bare);
	if (!n)
		return 0;
	if (export_store_names(s->set.db, bare, n, &rows, e) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct source_name *name = find_name(s, sql_text(rows, i, 0));

		if (name && !name->name)
			name->name = full_name(s->turn, sql_text(rows, i, 1));
	}
	PQclear(rows);
	return 0;
}

static void
fill_person(struct export_source *s, struct export_person *p, const char *bare, const char *resource, const char *nick)
{
	const struct source_name *n = bare ? find_name(s, bare) : NULL;

	*p = (struct export_person){ .bare = bare, .resource = resource, .ours = bare && is_here(s, bare) };
	if (bare)
		p->name = n && n->name ? n->name : nick && *nick ? nick : bare;
}

/* Whom the room shows: what was recorded has the real address of its sender, and its nickname in the stanza. */
static const char *
room_nick(const struct export_record *r)
{
	const char *from = r->stanza ? elem_get(r->stanza, "from") : NULL, *nick = from ? strchr(from, '/') : NULL;

	return r->place == EXPORT_ROOM && nick ? nick + 1 : NULL;
}

/* Files */

static const char *
why_not(const PGresult *rows, int i)
{
	if (sql_is_null(rows, i, FILE_STATE))
		return "nothing is known of it";
	switch (sql_i64(rows, i, FILE_STATE)) {
	case FILE_INFECTED:
	case FILE_WITHDRAWN:
		return "infected";
	case FILE_UNSCANNABLE:
		return "could not be scanned";
	default:
		return sql_bool(rows, i, FILE_QUARANTINED) ? "in the quarantine" : "not kept any more";
	}
}

static void
fill_file(struct export_source *s, struct export_file *f, const PGresult *rows, int i)
{
	const char *hex = sql_text(rows, i, FILE_SHA256);
	struct source_file *known;
	int64_t state = sql_i64(rows, i, FILE_STATE);

	*f = (struct export_file){ .size = (uint64_t)sql_i64(rows, i, FILE_SIZE), .type = sql_text(rows, i, FILE_TYPE) };
	if (text_unhex(hex, strlen(hex), f->sha256) != SHA256_SIZE)
		memset(f->sha256, 0, SHA256_SIZE);
	f->name = file_name_clean(s->turn, sql_text(rows, i, FILE_NAME));
	HASH_FIND(hh, s->files, f->sha256, SHA256_SIZE, known);
	if (known && known->path)
		f->path = known->path;
	else if (known)
		f->why = known->why;
	else
		f->why = sql_bool(rows, i, FILE_KEPT) && (state == FILE_CLEAN || state == FILE_RELEASED) ? SOURCE_NOT_HERE :
													  why_not(rows, i);
}

/* The rows are in the order of the records: those of `id` lie together. */
static void
fill_files(struct export_source *s, struct export_record *r)
{
	const PGresult *rows = s->page.files;
	struct export_file *files;
	int lo = 0, hi = PQntuples(rows), end;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if ((uint64_t)sql_i64(rows, mid, FILE_RECORD) < r->id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (end = lo; end < PQntuples(rows) && (uint64_t)sql_i64(rows, end, FILE_RECORD) == r->id; end++)
		;
	if (end == lo)
		return;
	files = arena_zalloc(s->turn, (size_t)(end - lo) * sizeof(*files));
	for (int i = lo; i < end; i++)
		fill_file(s, &files[i - lo], rows, i);
	r->files = files;
	r->nfiles = (size_t)(end - lo);
}

/* The stanza */

static bool
is_encrypted(const struct elem *stanza)
{
	static const char *const namespaces[] = { "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:0", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2",
		"urn:xmpp:openpgp:0", "jabber:x:encrypted", "urn:xmpp:otr:0" };

	for (const struct elem *c = stanza ? stanza->first : NULL; c; c = c->next)
		for (size_t i = 0; c->ns && c->name && i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
			if (!strcmp(c->ns, namespaces[i]) && (!strcmp(c->name, "encrypted") || !strcmp(c->name, "openpgp") || !strcmp(c->name, "x")))
				return true;
	return false;
}

static void
drop_stanza(void *st)
{
	stanza_unref(st);
}

static void
fill_stanza(struct export_source *s, struct export_record *r)
{
	struct stanza *st = r->xml ? parser_one(r->xml, r->xml_len, NS_CLIENT, NULL) : NULL;

	if (!st)
		return;
	arena_on_free(s->turn, drop_stanza, st);
	r->stanza = st->root;
	r->encrypted = is_encrypted(st->root);
}

/* Rows */

static const char *
text_or_null(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) ? NULL : sql_text(rows, i, col);
}

static int
find_row(const PGresult *rows, uint64_t id)
{
	int lo = 0, hi = PQntuples(rows);

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		uint64_t at = (uint64_t)sql_i64(rows, mid, ROW_ID);

		if (at == id)
			return mid;
		if (at < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

/* The whole row has gone (its month was dropped, or somebody has deleted it): what is left is its leaf, if the log has that. */
static int
fill_gone(struct export_source *s, struct export_record *r, struct err *e)
{
	r->erased = true;
	r->at_us = (int64_t)r->id;
	if (!s->set.leaves || log_reader_node(s->set.leaves, 0, r->log_index, r->leaf)) {
		if (s->set.leaves)
			*e = *log_reader_err(s->set.leaves);
		return err_prefix(e, "record %llu is gone, and its leaf cannot be read", (unsigned long long)r->id);
	}
	return 0;
}

static int
fill_columns(struct export_record *r, const PGresult *rows, int i, struct err *e)
{
	const char *salt = sql_text(rows, i, ROW_SALT), *leaf = sql_text(rows, i, ROW_LEAF);

	r->at_us = sql_i64(rows, i, ROW_AT);
	r->refers_record = (uint64_t)sql_i64(rows, i, ROW_REFERS);
	r->kind = (enum record_kind)sql_i64(rows, i, ROW_KIND);
	r->direction = (int)sql_i64(rows, i, ROW_DIRECTION);
	r->deliverable = sql_bool(rows, i, ROW_DELIVERABLE);
	r->from_bare = text_or_null(rows, i, ROW_FROM);
	r->from_resource = text_or_null(rows, i, ROW_FROM_RESOURCE);
	r->to_bare = text_or_null(rows, i, ROW_TO);
	r->to_resource = text_or_null(rows, i, ROW_TO_RESOURCE);
	r->type = text_or_null(rows, i, ROW_TYPE);
	r->client_id = text_or_null(rows, i, ROW_CLIENT_ID);
	r->refers_to = text_or_null(rows, i, ROW_REFERS_TO);
	r->body = text_or_null(rows, i, ROW_BODY);
	r->xml = text_or_null(rows, i, ROW_STANZA);
	r->xml_len = r->xml ? (size_t)PQgetlength(rows, i, ROW_STANZA) : 0;
	r->erased = sql_is_null(rows, i, ROW_SALT);
	/* Without its salt nothing shows that what is left is what was recorded: nobody is to read it as such. */
	if (r->erased) {
		r->body = r->xml = r->from_resource = r->to_resource = r->client_id = r->refers_to = NULL;
		r->xml_len = 0;
	}
	if (text_unhex(leaf, strlen(leaf), r->leaf) != SHA256_SIZE ||
	    (!r->erased && (strlen(salt) != 2 * sizeof(r->salt) || text_unhex(salt, strlen(salt), r->salt) != (ssize_t)sizeof(r->salt))))
		return err_set(e, 0, "record %llu has no right salt or leaf hash", (unsigned long long)r->id);
	return 0;
}

int
source_fill(struct export_source *s, size_t i, struct err *e)
{
	const struct order_entry *x = &s->page.entry[i];
	struct export_record *r = &s->record;
	int row = find_row(s->page.rows, x->id);

	arena_reset(s->turn);
	*r = (struct export_record){ .id = x->id, .log_index = x->log_index, .conversation = "", .kind_name = "" };
	if (s->want == SOURCE_FILES) {
		r->erased = row < 0 || !sql_bool(s->page.rows, row, PRESENCE_WHOLE);
		fill_files(s, r);
		return 0;
	}
	if (row < 0)
		return fill_gone(s, r, e);
	if (fill_columns(r, s->page.rows, row, e))
		return -1;
	if (s->want == SOURCE_PROOF)
		return 0;
	fill_files(s, r);
	fill_stanza(s, r);
	r->kind_name = query_kind_name((int)r->kind);
	r->conversation = source_conversation(s, s->turn, (int)r->kind, r->direction, r->type, r->from_bare, r->to_bare, &r->place);
	fill_person(s, &r->from, r->from_bare, r->from_resource, room_nick(r));
	fill_person(s, &r->to, r->to_bare, r->to_resource, NULL);
	return 0;
}
