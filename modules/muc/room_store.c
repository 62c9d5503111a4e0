/* room_store: see room_store.h. */
#include "room_store.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "store/address.h"
#include "store/page.h"

#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define CONFIG_COLUMNS \
	"name, description, lang, password, contacts, persistent, listed, members_only, moderated, whois_anyone, change_subject," \
	" invites, voice_requests, history_for_all, pm, broadcast, member_list, max_users, history"
enum { CONFIG_VALUES = 19 };

static const char *
boolean(bool v)
{
	return v ? "t" : "f";
}

/* In the order of CONFIG_COLUMNS. */
static void
config_values(const struct room_config *c, struct arena *a, const char **v)
{
	const char *const text[] = { c->name, c->description, c->lang, c->password, c->contacts };
	const bool is[] = { c->persistent, c->listed, c->members_only, c->moderated, c->whois_anyone, c->change_subject, c->invites,
		c->voice_requests, c->history_for_all };
	const unsigned number[] = { c->pm, c->broadcast, c->member_list, c->max_users, c->history };

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		*v++ = text[i];
	for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++)
		*v++ = boolean(is[i]);
	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
		*v++ = page_number(a, number[i]);
}

static char *
text_or_null(struct arena *a, const PGresult *r, int row, int col)
{
	return sql_is_null(r, row, col) ? NULL : arena_strdup(a, sql_text(r, row, col));
}

static void
read_config(struct room_config *c, struct arena *a, const PGresult *r, int col)
{
	char **const text[] = { &c->name, &c->description, &c->lang, &c->password, &c->contacts };
	bool *const is[] = { &c->persistent, &c->listed, &c->members_only, &c->moderated, &c->whois_anyone, &c->change_subject,
		&c->invites, &c->voice_requests, &c->history_for_all };

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		*text[i] = text_or_null(a, r, 0, col++);
	for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++)
		*is[i] = sql_bool(r, 0, col++);
	c->pm = (enum room_pm)sql_i64(r, 0, col++);
	c->broadcast = (unsigned)sql_i64(r, 0, col++);
	c->member_list = (unsigned)sql_i64(r, 0, col++);
	c->max_users = (unsigned)sql_i64(r, 0, col++);
	c->history = (unsigned)sql_i64(r, 0, col++);
}

static enum sql_status
load_affiliates(struct sql *db, struct arena *a, struct room_row *row, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT jid, affiliation, nick, reason FROM chancery.room_affiliate WHERE room = $1", 1, page_number(a, row->id));

	if (st != SQL_OK)
		return st;
	row->naffiliates = (size_t)PQntuples(r);
	row->affiliate = arena_zalloc(a, (row->naffiliates + 1) * sizeof(*row->affiliate));
	for (int i = 0; i < (int)row->naffiliates; i++)
		row->affiliate[i] = (struct room_row_affiliate){ .jid = arena_strdup(a, sql_text(r, i, 0)),
			.affiliation = (enum affiliation)sql_i64(r, i, 1), .nick = text_or_null(a, r, i, 2), .reason = text_or_null(a, r, i, 3) };
	PQclear(r);
	return SQL_OK;
}

static struct room_row *
read_room(struct arena *a, const PGresult *r)
{
	struct room_row *row = arena_zalloc(a, sizeof(*row));

	row->id = sql_i64(r, 0, 0);
	row->creator = arena_strdup(a, sql_text(r, 0, 1));
	row->created_us = sql_i64(r, 0, 2);
	row->locked = sql_bool(r, 0, 3);
	text_unhex(sql_text(r, 0, 4), sizeof(row->secret) * 2, row->secret);
	row->run = sql_i64(r, 0, 5);
	row->subject = (struct room_subject){ text_or_null(a, r, 0, 6), text_or_null(a, r, 0, 7), sql_i64(r, 0, 8) };
	read_config(&row->config, a, r, 9);
	row->photos = text_or_null(a, r, 0, 9 + CONFIG_VALUES);
	return row;
}

enum sql_status
room_store_load(struct sql *db, struct arena *a, const char *bare, void **rows, struct err *e)
{
	struct room_row *row;
	PGresult *r;
	enum sql_status st;

	*rows = NULL;
	st = sql_query(db, e, &r,
		"SELECT id, creator, " EPOCH_US("created_at") ", locked, encode(secret, 'hex'), run, subject, subject_nick, "
		EPOCH_US("subject_at") ", " CONFIG_COLUMNS
		", (SELECT v.photos FROM chancery.room_vcard v WHERE v.room = room.id) FROM chancery.room WHERE jid = $1", 1, bare);
	if (st != SQL_OK)
		return st;
	row = PQntuples(r) ? read_room(a, r) : NULL;
	PQclear(r);
	if (!row)
		return SQL_OK;
	row->jid = arena_strdup(a, bare);
	*rows = row;
	return load_affiliates(db, a, row, e);
}

/* Changes */

static enum sql_status
insert_room(struct sql *db, struct arena *a, struct room_row *row, struct err *e)
{
	char *secret = arena_alloc(a, sizeof(row->secret) * 2 + 1);
	const char *v[6 + CONFIG_VALUES];
	PGresult *r;
	enum sql_status st;

	text_hex(row->secret, sizeof(row->secret), secret);
	v[0] = row->jid;
	v[1] = row->domain;
	v[2] = row->creator;
	v[3] = boolean(row->locked);
	v[4] = secret;
	v[5] = page_number(a, row->run);
	config_values(&row->config, a, v + 6);
	st = sql_query_v(db, e, &r,
		"INSERT INTO chancery.room (jid, domain, creator, locked, secret, run, " CONFIG_COLUMNS ")"
		" VALUES ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
		" $22, $23, $24, $25) RETURNING id, " EPOCH_US("created_at"), 6 + CONFIG_VALUES, v);
	if (st != SQL_OK)
		return st;
	row->id = sql_i64(r, 0, 0);
	row->created_us = sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
put_affiliates(struct sql *db, struct arena *a, const struct room_row *row, struct err *e)
{
	enum sql_status st = SQL_OK;

	for (size_t i = 0; i < row->naffiliates && st == SQL_OK; i++) {
		const struct room_row_affiliate *f = &row->affiliate[i];

		if (f->affiliation == AFFILIATION_NONE && !f->nick)
			st = sql_do(db, e, "DELETE FROM chancery.room_affiliate WHERE room = $1 AND jid = $2",
				2, page_number(a, row->id), f->jid);
		else
			st = sql_do(db, e,
				"INSERT INTO chancery.room_affiliate (room, jid, affiliation, nick, reason) VALUES ($1, $2, $3, $4, $5)"
				" ON CONFLICT (room, jid) DO UPDATE SET affiliation = excluded.affiliation, nick = excluded.nick,"
				" reason = excluded.reason",
				5, page_number(a, row->id), f->jid, page_number(a, f->affiliation), f->nick, f->reason);
	}
	return st;
}

/* In one transaction. */
static enum sql_status
together(struct sql *db, struct arena *a, struct room_row *row, enum sql_status (*fn)(struct sql *, struct arena *, struct room_row *,
	struct err *), struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = fn(db, a, row, e);
	if (st == SQL_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

static enum sql_status
create(struct sql *db, struct arena *a, struct room_row *row, struct err *e)
{
	enum sql_status st = sql_do(db, e, "DELETE FROM chancery.room WHERE jid = $1", 1, row->jid);

	if (st == SQL_OK)
		st = insert_room(db, a, row, e);
	return st == SQL_OK ? put_affiliates(db, a, row, e) : st;
}

enum sql_status
room_store_create(struct sql *db, struct arena *a, void *row, struct err *e)
{
	return together(db, a, row, create, e);
}

static enum sql_status
configure(struct sql *db, struct arena *a, struct room_row *row, struct err *e)
{
	const char *v[2 + CONFIG_VALUES];
	enum sql_status st;

	v[0] = page_number(a, row->id);
	v[1] = boolean(row->locked);
	config_values(&row->config, a, v + 2);
	st = sql_query_v(db, e, NULL,
		"UPDATE chancery.room SET locked = $2, (" CONFIG_COLUMNS ") = ROW ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
		" $15, $16, $17, $18, $19, $20, $21) WHERE id = $1", 2 + CONFIG_VALUES, v);
	return st == SQL_OK ? put_affiliates(db, a, row, e) : st;
}

enum sql_status
room_store_configure(struct sql *db, struct arena *a, void *row, struct err *e)
{
	return together(db, a, row, configure, e);
}

enum sql_status
room_store_subject(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct room_row *row = data;

	return sql_do(db, e,
		"UPDATE chancery.room SET subject = $2, subject_nick = $3, subject_at = to_timestamp($4::bigint / 1000000.0) WHERE id = $1",
		4, page_number(a, row->id), row->subject.text, row->subject.nick, page_number(a, row->subject.at_us));
}

static enum sql_status
affiliates(struct sql *db, struct arena *a, struct room_row *row, struct err *e)
{
	return put_affiliates(db, a, row, e);
}

enum sql_status
room_store_affiliates(struct sql *db, struct arena *a, void *row, struct err *e)
{
	return together(db, a, row, affiliates, e);
}

enum sql_status
room_store_destroy(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct room_row *row = data;

	return sql_do(db, e, "DELETE FROM chancery.room WHERE id = $1", 1, page_number(a, row->id));
}

/* History on entering */

/* A change of the subject alone is told for itself (§7.2.15). */
#define SAID " AND (r.body IS NOT NULL OR strpos(r.stanza, '<subject') = 0)"

static enum sql_status
read_past(struct sql *db, struct arena *a, struct room_past *p, struct err *e)
{
	uint64_t recent = UINT64_C(31) * 86400 * 1000000;
	PGresult *r;
	enum sql_status st = SQL_OK;

	/* A month back first: the record is partitioned by month. */
	for (int wide = 0; wide < 2 && st == SQL_OK && p->n < p->limit; wide++) {
		uint64_t from = wide || p->upto < recent ? 0 : p->upto - recent;

		st = sql_query(db, e, &r,
			"SELECT r.id, " EPOCH_US("r.at") ", r.stanza FROM archive.record r WHERE r.to_hash = $1 AND r.to_bare = $2 AND r.shown"
			" AND r.stanza IS NOT NULL AND r.id <= $3 AND r.id >= $4" SAID
			" AND NOT EXISTS (SELECT FROM archive.record x WHERE x.refers_record = r.id AND x.kind = 7)"
			" ORDER BY r.id DESC LIMIT $5::bigint",
			5, page_number(a, address_hash(p->jid)), p->jid, page_id(a, p->upto), page_id(a, from), page_number(a, p->limit));
		if (st != SQL_OK)
			break;
		p->n = (size_t)PQntuples(r);
		p->message = arena_alloc(a, (p->n + 1) * sizeof(*p->message));
		for (int i = 0; i < (int)p->n; i++)
			p->message[p->n - 1 - (size_t)i] = (struct room_past_message){ (uint64_t)sql_i64(r, i, 0), sql_i64(r, i, 1),
				arena_strdup(a, sql_text(r, i, 2)) };
		PQclear(r);
	}
	return st;
}

enum sql_status
room_store_open(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct room_past *p = data;
	enum sql_status st = sql_do(db, e, "UPDATE chancery.room SET run = $2 WHERE id = $1 AND run <> $2",
		2, page_number(a, p->id), page_number(a, p->run));

	return st == SQL_OK && p->limit ? read_past(db, a, p, e) : st;
}
