/*
 * avatar_store: see avatar_store.h; schema/0019_room_archive.sql.
 */
#include "avatar_store.h"

#include <inttypes.h>

enum sql_status
avatar_store_get(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct avatar_row *row = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, "SELECT vcard FROM chancery.room_vcard WHERE room = $1", 1, arena_printf(a, "%" PRId64, row->room));
	if (st != SQL_OK)
		return st;
	row->vcard = PQntuples(r) ? arena_strdup(a, sql_text(r, 0, 0)) : NULL;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
avatar_store_set(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct avatar_row *row = data;
	const char *room = arena_printf(a, "%" PRId64, row->room);

	if (!row->vcard)
		return sql_do(db, e, "DELETE FROM chancery.room_vcard WHERE room = $1", 1, room);
	return sql_do(db, e,
		"INSERT INTO chancery.room_vcard (room, vcard, photos)"
		" SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM chancery.room WHERE id = $1)"
		" ON CONFLICT (room) DO UPDATE SET vcard = excluded.vcard, photos = excluded.photos",
		3, room, row->vcard, row->photos);
}
