/* room_list: see room_list.h. */
#include "store/room_list.h"

#include <stdio.h>

#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

enum sql_status
room_list(struct sql *db, const char *after, int limit, PGresult **rows, struct err *e)
{
	char n[16];

	snprintf(n, sizeof(n), "%d", limit);
	return sql_query(db, e, rows,
		"SELECT r.jid, r.name, r.creator, " EPOCH_US("r.created_at") ", r.persistent, r.listed, r.members_only,"
		" (SELECT count(*) FROM chancery.room_affiliate a WHERE a.room = r.id)"
		" FROM chancery.room r WHERE r.jid > $1 ORDER BY r.jid LIMIT $2::int", 2, after, n);
}

enum sql_status
room_list_one(struct sql *db, const char *jid, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows,
		"SELECT jid, name, description, creator, " EPOCH_US("created_at") ", locked, persistent, listed, members_only,"
		" moderated, whois_anyone, password IS NOT NULL, max_users, subject FROM chancery.room WHERE jid = $1", 1, jid);
}

enum sql_status
room_list_people(struct sql *db, const char *jid, int limit, PGresult **rows, struct err *e)
{
	char n[16];

	snprintf(n, sizeof(n), "%d", limit);
	return sql_query(db, e, rows,
		"SELECT a.jid, a.affiliation, a.nick FROM chancery.room r JOIN chancery.room_affiliate a ON a.room = r.id"
		" WHERE r.jid = $1 ORDER BY a.affiliation DESC, a.jid LIMIT $2::int", 2, jid, n);
}
