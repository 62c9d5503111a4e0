/*
 * room_list: rooms as administrators see them (`chancery room`). What rooms themselves read and write is modules/muc's.
 */
#ifndef STORE_ROOM_LIST_H
#define STORE_ROOM_LIST_H

#include "store/sql.h"

/* Behind `after` ("" at first), by address: jid, name, creator, created (µs), persistent, listed, members_only, affiliates. */
enum sql_status room_list(struct sql *db, const char *after, int limit, PGresult **rows, struct err *e);
/* One room: jid, name, description, creator, created (µs), locked, persistent, listed, members_only, moderated, whois_anyone,
 * has a password, max_users, subject. No row: no such room. */
enum sql_status room_list_one(struct sql *db, const char *jid, PGresult **rows, struct err *e);
/* Of that room, owners first: jid, affiliation (modules/muc/affiliation.h), nick. */
enum sql_status room_list_people(struct sql *db, const char *jid, int limit, PGresult **rows, struct err *e);

#endif
