/*
 * verb_room: rooms (XEP-0045) for administrators. They are looked up in the database; what is done to them is asked of the room itself, as
 * an owner would ask, in the name of the server, after the audit row has been written.
 */
#include "admin/request/request.h"

#include <string.h>

#include "base/buf.h"
#include "core/route/errand.h"
#include "store/room_list.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#define LIST_MAX 100000
#define PAGE 500
#define PEOPLE_MAX 10000
#define NS_ROOM "urn:chancery:room:0"

static json_t *
room_row(const PGresult *rows, int i)
{
	return json_pack("{s:s, s:s?, s:s, s:o, s:b, s:b, s:b, s:I}", "room", sql_text(rows, i, 0), "name",
			 sql_is_null(rows, i, 1) ? NULL : sql_text(rows, i, 1), "creator", sql_text(rows, i, 2), "created",
			 request_time(sql_i64(rows, i, 3)), "persistent", (int)sql_bool(rows, i, 4), "public", (int)sql_bool(rows, i, 5),
			 "members_only", (int)sql_bool(rows, i, 6), "affiliations", (json_int_t)sql_i64(rows, i, 7));
}

static int
room_verb_list(struct request *r)
{
	struct buf after = {0};
	int rc = 0, n = 0, all = 0;

	if (request_args(r, "{}") != 0 || request_db(r) != 0)
		return -1;
	do {
		PGresult *rows;

		if (room_list(r->db, buf_str(&after), PAGE, &rows, &r->err) != SQL_OK) {
			rc = -1;
			break;
		}
		n = PQntuples(rows);
		for (int i = 0; i < n && rc == 0; i++)
			rc = request_row(r, room_row(rows, i));
		buf_clear(&after);
		if (n > 0)
			buf_adds(&after, sql_text(rows, n - 1, 0));
		PQclear(rows);
		all += n;
	} while (rc == 0 && n == PAGE && all < LIST_MAX);
	buf_fini(&after);
	return rc;
}

/* By number, as the room has them. */
static const char *
affiliation_name(int64_t a)
{
	static const char *const names[] = {"outcast", "none", "member", "admin", "owner"};

	return a >= 0 && a < 5 ? names[a] : "?";
}

static json_t *
people_of(struct request *r, const char *jid)
{
	json_t *list = json_array();
	PGresult *rows;

	if (room_list_people(r->db, jid, PEOPLE_MAX, &rows, &r->err) != SQL_OK) {
		json_decref(list);
		return NULL;
	}
	for (int i = 0; i < PQntuples(rows); i++) {
		const char *nick = sql_is_null(rows, i, 2) ? NULL : sql_text(rows, i, 2);

		json_array_append_new(list, nick != NULL ? json_sprintf("%s %s (%s)", affiliation_name(sql_i64(rows, i, 1)),
									sql_text(rows, i, 0), nick)
							 : json_sprintf("%s %s", affiliation_name(sql_i64(rows, i, 1)),
									sql_text(rows, i, 0)));
	}
	PQclear(rows);
	return list;
}

/* The address of a room, as it is stored; NULL: err says why not. */
static struct jid *
room_address(struct request *r, const char *text)
{
	struct jid *j = jid_parse_z(text);

	if (j != NULL && jid_local(j) != NULL && jid_is_bare(j))
		return j;
	jid_unref(j);
	err_set(&r->err, 0, "%s is not the address of a room", text);
	return NULL;
}

static int
show(struct request *r, const char *jid)
{
	PGresult *rows;
	json_t *row, *people;

	if (room_list_one(r->db, jid, &rows, &r->err) != SQL_OK)
		return -1;
	if (PQntuples(rows) == 0) {
		PQclear(rows);
		return err_set(&r->err, 0, "there is no room %s", jid);
	}
	row = json_pack("{s:s, s:s?, s:s?, s:s, s:o, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:I, s:s?}", "room", sql_text(rows, 0, 0),
			"name", sql_is_null(rows, 0, 1) ? NULL : sql_text(rows, 0, 1), "description",
			sql_is_null(rows, 0, 2) ? NULL : sql_text(rows, 0, 2), "creator", sql_text(rows, 0, 3), "created",
			request_time(sql_i64(rows, 0, 4)), "locked", (int)sql_bool(rows, 0, 5), "persistent", (int)sql_bool(rows, 0, 6),
			"public", (int)sql_bool(rows, 0, 7), "members_only", (int)sql_bool(rows, 0, 8), "moderated",
			(int)sql_bool(rows, 0, 9), "real_addresses", (int)sql_bool(rows, 0, 10), "password", (int)sql_bool(rows, 0, 11),
			"max_users", (json_int_t)sql_i64(rows, 0, 12), "subject",
			sql_is_null(rows, 0, 13) ? NULL : sql_text(rows, 0, 13));
	PQclear(rows);
	people = people_of(r, jid);
	if (people == NULL) {
		json_decref(row);
		return -1;
	}
	json_object_set_new(row, "people", people);
	return request_row(r, row);
}

static int
room_verb_show(struct request *r)
{
	const char *text;
	struct jid *j;
	int rc;

	if (request_args(r, "{s:s}", "room", &text) != 0 || request_db(r) != 0)
		return -1;
	j = room_address(r, text);
	rc = j != NULL ? show(r, jid_bare(j)) : -1;
	jid_unref(j);
	return rc;
}

/* What is done to rooms */

static struct stanza *
request_to(const char *ns, const char *child, const char *ns2, const char *inner, struct elem **e)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");

	elem_set(st, st->root, "type", "set");
	*e = elem_add(st, st->root, ns, child);
	if (inner != NULL)
		*e = elem_add(st, *e, ns2, inner);
	return st;
}

/* Takes the IQ. The audit row first (P6). */
static int
ask_room(struct request *r, struct jid *room, struct stanza *iq, const char *action, json_t *detail)
{
	enum sql_status st = audit_write(r->db, r->who, action, jid_bare(room), detail, &r->err);

	json_decref(detail);
	if (st != SQL_OK) {
		stanza_unref(iq);
		return -1;
	}
	if (errand_run(room, iq, &r->err) != 0)
		return -1;
	audit_log(r->who, action, jid_bare(room));
	return request_row(r, json_pack("{s:s}", "room", jid_bare(room)));
}

static int
room_verb_destroy(struct request *r)
{
	const char *text, *reason = NULL;
	struct jid *j;
	struct stanza *iq;
	struct elem *e;
	int rc;

	if (request_args(r, "{s:s, s?s}", "room", &text, "reason", &reason) != 0 || request_db(r) != 0)
		return -1;
	j = room_address(r, text);
	if (j == NULL)
		return -1;
	iq = request_to(NS_MUC_OWNER, "query", NULL, "destroy", &e);
	if (reason != NULL)
		elem_add_text(iq, elem_add(iq, e, NULL, "reason"), reason, strlen(reason));
	rc = ask_room(r, j, iq, "room.destroy", json_pack("{s:s*}", "reason", reason));
	jid_unref(j);
	return rc;
}

static int
room_verb_create(struct request *r)
{
	const char *text, *owner;
	struct jid *j;
	struct stanza *iq;
	struct elem *e;
	int rc;

	if (request_args(r, "{s:s, s:s}", "room", &text, "owner", &owner) != 0 || request_db(r) != 0)
		return -1;
	j = room_address(r, text);
	if (j == NULL)
		return -1;
	iq = request_to(NS_ROOM, "create", NULL, NULL, &e);
	elem_set(iq, e, "owner", owner);
	rc = ask_room(r, j, iq, "room.create", json_pack("{s:s}", "owner", owner));
	jid_unref(j);
	return rc;
}

static int
room_verb_affiliation(struct request *r)
{
	const char *text, *who, *what;
	struct jid *j;
	struct stanza *iq;
	struct elem *e;
	int rc;

	if (request_args(r, "{s:s, s:s, s:s}", "room", &text, "jid", &who, "affiliation", &what) != 0 || request_db(r) != 0)
		return -1;
	j = room_address(r, text);
	if (j == NULL)
		return -1;
	iq = request_to(NS_MUC_ADMIN, "query", NULL, "item", &e);
	elem_set(iq, e, "jid", who);
	elem_set(iq, e, "affiliation", what);
	rc = ask_room(r, j, iq, "room.affiliation", json_pack("{s:s, s:s}", "jid", who, "affiliation", what));
	jid_unref(j);
	return rc;
}

const struct request_verb request_room_verbs[] = {
	{"room", "list", room_verb_list, .about = "Lists the rooms, hidden ones too"},
	{"room", "show", room_verb_show, .about = "Shows a room's configuration, and who is what to it", .args = "room:string"},
	{"room", "create", room_verb_create, .about = "Makes a room that is open at once", .args = "room:string owner:string"},
	{"room", "affiliation", room_verb_affiliation, .about = "Changes what somebody is to a room",
	 .args = "room:string jid:string affiliation:string"},
	{"room", "destroy", room_verb_destroy, .about = "Ends a room; what was said in it stays in the record", .args = "room:string reason:string?"},
	{.noun = NULL},
};
