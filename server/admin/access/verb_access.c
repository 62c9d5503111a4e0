/*
 * verb_access: persons of the compliance desk. Each change is one transaction with its audit row. Persons are disabled and never deleted: a name never
 * becomes somebody else's, and what was decided by somebody stays theirs.
 */
#include "admin/request/request.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "admin/account/account_name.h"
#include "admin/request/rows.h"
#include "core/config/config.h"
#include "xmpp/jid.h"

/* As the table wants names to be; so that two cannot look alike. */
static int
check_name(struct request *r, const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789", more[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);

	if (n > 0 && n < ACCESS_NAME && strchr(letters, name[0]) != NULL && strspn(name, more) == n)
		return 0;
	r->status = 400;
	return err_set(&r->err, 0, "a person's name is a to z, 0 to 9, dots, hyphens and underscores, %d at most", ACCESS_NAME - 1);
}

/* An array of names of roles. -1 with err. */
static int
read_roles(struct request *r, const json_t *names, unsigned *out)
{
	const json_t *item;
	size_t i;

	*out = 0;
	r->status = 400;
	if (!json_is_array(names))
		return err_set(&r->err, 0, "wrong arguments: expected a list of roles");
	json_array_foreach(names, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL || access_role_read(name) == 0)
			return err_set(&r->err, 0, "%.100s is not a role: there are admin, officer, auditor and dpo", name != NULL ? name : "this");
		*out |= access_role_read(name);
	}
	if (!access_roles_agree(*out))
		return err_set(&r->err, 0, "these roles are kept apart: an administrator reads no content, and an auditor audits others");
	r->status = 0;
	return 0;
}

static json_t *
roles_json(unsigned roles)
{
	json_t *out = json_array();

	for (unsigned role = 1; role <= ACCESS_ANY; role <<= 1)
		if (roles & role)
			json_array_append_new(out, json_string(access_role_name(role)));
	return out;
}

/* Changes */

struct change {
	const char *action;
	const char *name;
	json_t *detail; /* taken */
};

/* Behind sql_begin and the statement, whose rows say whether there was anything to change. Takes the rows. */
static int
finish(struct request *r, struct change *c, PGresult *rows, const char *refusal)
{
	bool done = rows != NULL && PQntuples(rows) > 0;
	int rc = -1;

	if (rows != NULL && !done)
		err_set(&r->err, 0, "%s %s", c->name, refusal);
	if (done && audit_write(r->db, r->who, c->action, c->name, c->detail, &r->err) == SQL_OK && sql_commit(r->db, &r->err) == SQL_OK) {
		audit_log(r->who, c->action, c->name);
		rc = 0;
	}
	json_decref(c->detail);
	PQclear(rows);
	sql_rollback(r->db);
	return rc;
}

/* In the audit trail a name is somebody: of an account of the operating system it has to be the same person's, and some are the server's own. */
static int
check_is_free(struct request *r, const char *name, json_int_t uid)
{
	static const char *const ours[] = {"chanceryd", "https", "unknown", "root"};
	struct passwd pw, *found = NULL;
	char room[4096];

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strcmp(name, ours[i]) == 0)
			return err_set(&r->err, 0, "%s is a name that the audit trail has for somebody else", name);
	if (getpwnam_r(name, &pw, room, sizeof room, &found) == 0 && found != NULL && (json_int_t)pw.pw_uid != uid)
		return err_set(&r->err, 0, "an account of the operating system is called %s: if it is this person's, say so (uid %lu), else take another name", name,
			       (unsigned long)pw.pw_uid);
	return 0;
}

struct addition {
	const char *name, *account;
	char bare[3072];
	unsigned roles;
	json_int_t uid;
};

static int
read_addition(struct request *r, struct addition *a)
{
	json_t *roles;
	struct config *c;
	struct jid *j;

	*a = (struct addition){.uid = -1};
	if (request_args(r, "{s:s, s:o, s?s, s?I}", "name", &a->name, "roles", &roles, "account", &a->account, "uid", &a->uid) != 0 ||
	    check_name(r, a->name) != 0 || read_roles(r, roles, &a->roles) != 0)
		return -1;
	if (a->uid < -1 || a->uid > INT32_MAX)
		return err_set(&r->err, 0, "not the number of an account of the operating system");
	if (check_is_free(r, a->name, a->uid) != 0)
		return -1;
	if (a->account == NULL)
		return 0;
	c = config_get();
	j = account_name_parse(c, a->account, &r->err);
	config_unref(c);
	if (j == NULL)
		return -1;
	snprintf(a->bare, sizeof a->bare, "%s", jid_bare(j));
	a->account = a->bare;
	jid_unref(j);
	return 0;
}

static int
check_addition(struct request *r)
{
	struct addition a;

	return read_addition(r, &a);
}

static int
person_add(struct request *r)
{
	struct addition a;
	struct change c = {.action = "person.add"};
	PGresult *rows = NULL;
	char bits[8], uid[24];

	if (read_addition(r, &a) != 0 || request_db(r) != 0)
		return -1;
	c.name = a.name;
	c.detail = json_pack("{s:o, s:s*}", "roles", roles_json(a.roles), "account", a.account);
	snprintf(bits, sizeof bits, "%u", a.roles);
	snprintf(uid, sizeof uid, "%" JSON_INTEGER_FORMAT, a.uid);
	if (sql_begin(r->db, &r->err) == SQL_OK)
		(void)!sql_query(r->db, &r->err, &rows,
				 "INSERT INTO compliance.person (name, roles, account, uid) VALUES ($1, $2::smallint, $3, nullif($4::int, -1))"
				 " ON CONFLICT DO NOTHING RETURNING id",
				 4, a.name, bits, a.account, uid);
	if (finish(r, &c, rows, "exists already") != 0)
		return -1;
	return request_row(r, json_pack("{s:s, s:o}", "name", a.name, "roles", roles_json(a.roles)));
}

static int
check_roles(struct request *r)
{
	const char *name;
	json_t *list;
	unsigned roles;

	return request_args(r, "{s:s, s:o}", "name", &name, "roles", &list) != 0 || check_name(r, name) != 0 ? -1 : read_roles(r, list, &roles);
}

/* What is not named is taken away; tokens in a role that the person has not got any more open nothing. */
static int
person_roles(struct request *r)
{
	struct change c = {.action = "person.roles"};
	PGresult *rows = NULL;
	unsigned roles;
	char bits[8];
	json_t *list;

	if (request_args(r, "{s:s, s:o}", "name", &c.name, "roles", &list) != 0 || check_name(r, c.name) != 0 || read_roles(r, list, &roles) != 0 ||
	    request_db(r) != 0)
		return -1;
	snprintf(bits, sizeof bits, "%u", roles);
	c.detail = json_pack("{s:o}", "roles", roles_json(roles));
	if (sql_begin(r->db, &r->err) == SQL_OK)
		(void)!sql_query(r->db, &r->err, &rows, "UPDATE compliance.person SET roles = $2::smallint WHERE name = $1 RETURNING id", 2, c.name, bits);
	if (finish(r, &c, rows, "does not exist") != 0)
		return -1;
	return request_row(r, json_pack("{s:s, s:o}", "name", c.name, "roles", roles_json(roles)));
}

static int
set_disabled(struct request *r, const char *action, bool disabled)
{
	struct change c = {.action = action};
	PGresult *rows = NULL;

	if (request_args(r, "{s:s}", "name", &c.name) != 0 || check_name(r, c.name) != 0 || request_db(r) != 0)
		return -1;
	if (sql_begin(r->db, &r->err) == SQL_OK)
		(void)!sql_query(r->db, &r->err, &rows, "UPDATE compliance.person SET disabled = $2::boolean WHERE name = $1 RETURNING id", 2, c.name,
				 disabled ? "true" : "false");
	if (finish(r, &c, rows, "does not exist") != 0)
		return -1;
	return request_row(r, json_pack("{s:s, s:b}", "name", c.name, "disabled", (int)disabled));
}

static int
person_disable(struct request *r)
{
	return set_disabled(r, "person.disable", true);
}

static int
person_enable(struct request *r)
{
	return set_disabled(r, "person.enable", false);
}

static int
check_name_only(struct request *r)
{
	const char *name;

	return request_args(r, "{s:s}", "name", &name) == 0 ? check_name(r, name) : -1;
}

/* Looking */

#define PERSON_COLUMNS \
	"p.name, p.roles, p.account, p.uid, p.disabled, (extract(epoch FROM p.created_at) * 1000000)::bigint," \
	" (SELECT count(*) FROM compliance.token t WHERE t.person = p.id AND t.revoked_at IS NULL AND t.expires_at > now())," \
	" (SELECT coalesce((extract(epoch FROM max(used_at)) * 1000000)::bigint, 0) FROM compliance.token t WHERE t.person = p.id)" \
	" FROM compliance.person p"

static json_t *
person_row(const PGresult *rows, int i)
{
	return json_pack("{s:s, s:o, s:s?, s:o, s:b, s:o, s:I, s:o}", "name", sql_text(rows, i, 0), "roles", roles_json((unsigned)sql_i64(rows, i, 1)),
			 "account", sql_is_null(rows, i, 2) ? NULL : sql_text(rows, i, 2), "uid",
			 sql_is_null(rows, i, 3) ? json_null() : json_integer(sql_i64(rows, i, 3)), "disabled", (int)sql_bool(rows, i, 4), "created",
			 request_time(sql_i64(rows, i, 5)), "tokens", (json_int_t)sql_i64(rows, i, 6), "seen", request_time(sql_i64(rows, i, 7)));
}

static int
person_list(struct request *r)
{
	PGresult *rows;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows, "SELECT " PERSON_COLUMNS " ORDER BY p.name", 0) != SQL_OK)
		return -1;
	return rows_give(r, rows, person_row);
}

static int
person_show(struct request *r)
{
	const char *name;
	PGresult *rows;
	int rc;

	if (request_args(r, "{s:s}", "name", &name) != 0 || check_name(r, name) != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows, "SELECT " PERSON_COLUMNS " WHERE p.name = $1", 1, name) != SQL_OK)
		return -1;
	if (PQntuples(rows) > 0) {
		rc = request_row(r, person_row(rows, 0));
	} else {
		r->status = 404;
		rc = err_set(&r->err, 0, "%s does not exist", name);
	}
	PQclear(rows);
	return rc;
}

/* Who am I? */
static int
whoami(struct request *r)
{
	if (request_args(r, "{}") != 0)
		return -1;
	return request_row(r, json_pack("{s:s, s:s, s:b, s:o}", "name", r->who->name, "role", access_role_name(r->role), "person", (int)(r->person != 0),
					"token", r->caller != NULL ? json_integer(r->caller->token) : json_null()));
}

const struct request_verb request_access_verbs[] = {
	{"person", "add", person_add, .flags = ACCESS_FOUR_EYES, .check = check_addition, .about = "Adds a person of the compliance desk",
	 .args = "name:string roles:string[] account:string? uid:integer?"},
	{"person", "list", person_list, .about = "Lists these persons"},
	{"person", "show", person_show, .about = "Shows such a person", .args = "name:string"},
	{"person", "roles", person_roles, .flags = ACCESS_FOUR_EYES, .check = check_roles, .about = "Sets a person's roles", .args = "name:string roles:string[]"},
	{"person", "disable", person_disable, .about = "Bars a person, at once", .args = "name:string"},
	{"person", "enable", person_enable, .flags = ACCESS_FOUR_EYES, .check = check_name_only, .about = "Lets a barred person in again", .args = "name:string"},
	{"whoami", "", whoami, .roles = ACCESS_ANY, .about = "Tells who is asking, in which role"},
	{.noun = NULL},
};
