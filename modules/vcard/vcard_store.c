/*
 * vcard_store: one row an account. A change reads what there was in the same transaction, as the caller acts on the
 * difference.
 */
#include "vcard_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct key {
	char account[24];
};

static struct key
key_of(int64_t account)
{
	struct key k;

	snprintf(k.account, sizeof(k.account), "%" PRId64, account);
	return k;
}

static const char *
text_or_null(struct arena *a, const PGresult *r, int col)
{
	return sql_is_null(r, 0, col) ? NULL : arena_strdup(a, sql_text(r, 0, col));
}

static void
read_row(struct arena *a, PGresult *r, struct vcard_row *out)
{
	*out = (struct vcard_row){ 0 };
	if (PQntuples(r) == 1) {
		out->vcard = text_or_null(a, r, 0);
		out->vcard4 = text_or_null(a, r, 1);
		out->photo = text_or_null(a, r, 2);
		out->photo_sha1 = text_or_null(a, r, 3);
		out->photo_access = (enum vcard_access)sql_i64(r, 0, 4);
	}
	PQclear(r);
}

enum sql_status
vcard_store_get(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct vcard_job *j = data;
	struct key k = key_of(j->account);
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT vcard, vcard4, photo, photo_sha1, photo_access FROM chancery.vcard WHERE account = $1", 1, k.account);
	if (st == SQL_OK)
		read_row(a, r, &j->row);
	return st;
}

/* The photo itself is not needed of the old row. */
static enum sql_status
read_old(struct sql *db, struct arena *a, struct vcard_job *j, struct err *e)
{
	struct key k = key_of(j->account);
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT vcard, vcard4, NULL, photo_sha1, photo_access FROM chancery.vcard WHERE account = $1 FOR UPDATE", 1, k.account);
	if (st == SQL_OK)
		read_row(a, r, &j->was);
	return st;
}

typedef enum sql_status (*write_fn)(struct sql *db, const struct vcard_job *j, struct err *e);

static enum sql_status
change(struct sql *db, struct arena *a, struct vcard_job *j, write_fn write, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = read_old(db, a, j, e);
	if (st == SQL_OK)
		st = write(db, j, e);
	if (st == SQL_OK)
		st = sql_commit(db, e);
	if (st != SQL_OK)
		sql_rollback(db);
	return st;
}

static enum sql_status
write_all(struct sql *db, const struct vcard_job *j, struct err *e)
{
	struct key k = key_of(j->account);
	char access[12];

	snprintf(access, sizeof(access), "%d", (int)j->row.photo_access);
	return sql_do(db, e,
		"INSERT INTO chancery.vcard (account, vcard, vcard4, photo, photo_sha1, photo_access) VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (account) DO UPDATE SET vcard = excluded.vcard, vcard4 = excluded.vcard4, photo = excluded.photo,"
		" photo_sha1 = excluded.photo_sha1, photo_access = excluded.photo_access, changed_at = now()",
		6, k.account, j->row.vcard, j->row.vcard4, j->row.photo, j->row.photo_sha1, access);
}

static enum sql_status
write_text(struct sql *db, const struct vcard_job *j, struct err *e)
{
	struct key k = key_of(j->account);

	return sql_do(db, e,
		"INSERT INTO chancery.vcard (account, vcard, vcard4) VALUES ($1, $2, $3)"
		" ON CONFLICT (account) DO UPDATE SET vcard = excluded.vcard, vcard4 = excluded.vcard4, changed_at = now()",
		3, k.account, j->row.vcard, j->row.vcard4);
}

static enum sql_status
write_photo(struct sql *db, const struct vcard_job *j, struct err *e)
{
	struct key k = key_of(j->account);
	char access[12];

	snprintf(access, sizeof(access), "%d", (int)j->row.photo_access);
	return sql_do(db, e,
		"INSERT INTO chancery.vcard (account, photo, photo_sha1, photo_access) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (account) DO UPDATE SET photo = excluded.photo, photo_sha1 = excluded.photo_sha1,"
		" photo_access = excluded.photo_access, changed_at = now()",
		4, k.account, j->row.photo, j->row.photo_sha1, access);
}

enum sql_status
vcard_store_put(struct sql *db, struct arena *a, void *data, struct err *e)
{
	return change(db, a, data, write_all, e);
}

enum sql_status
vcard_store_put_text(struct sql *db, struct arena *a, void *data, struct err *e)
{
	return change(db, a, data, write_text, e);
}

enum sql_status
vcard_store_put_photo(struct sql *db, struct arena *a, void *data, struct err *e)
{
	return change(db, a, data, write_photo, e);
}

enum sql_status
vcard_store_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e)
{
	struct key k = key_of(account);
	struct vcard_row *row = arena_zalloc(a, sizeof(*row));
	PGresult *r;
	enum sql_status st;

	(void)bare;
	*rows = row;
	st = sql_query(db, e, &r,
		"SELECT NULL, NULL, NULL, photo_sha1, photo_access FROM chancery.vcard WHERE account = $1", 1, k.account);
	if (st == SQL_OK)
		read_row(a, r, row);
	return st;
}
