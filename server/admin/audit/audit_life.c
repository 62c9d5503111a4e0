/*
 * audit_life: the server's own actions as audit records, over a connection for the moment.
 */
#include "admin/audit/audit_life.h"

#include <pwd.h>
#include <stdio.h>

#include "base/log.h"
#include "store/audit.h"
#include "store/record.h"

#define CONNECT_MS 10000
#define STOP_MS 2000

/* Those that no record tells of yet. `chancery migrate` has nowhere to write to: it runs before there is a table, and without the server. */
static enum sql_status
note_migrations(struct sql *db, const struct audit_who *who, struct err *e)
{
	PGresult *r;
	json_t *detail;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT max(m.name), json_agg(json_build_object('name', m.name, 'at', m.applied_at) ORDER BY m.name)"
		" FROM chancery.migration m WHERE m.name NOT IN (SELECT x.value ->> 'name' FROM chancery.audit a,"
		" jsonb_array_elements(a.detail -> 'applied') x WHERE a.action = 'schema.migrate')", 0);

	if (st != SQL_OK)
		return st;
	if (!sql_is_null(r, 0, 0)) {
		detail = json_pack("{s:o}", "applied", json_loads(sql_text(r, 0, 1), 0, NULL));
		st = audit_write(db, who, "schema.migrate", sql_text(r, 0, 0), detail, e);
		json_decref(detail);
	}
	PQclear(r);
	return st;
}

static void
add_value(void *arg, const char *path, const char *old, const char *new_)
{
	(void)old;
	json_object_set_new(arg, path, json_string(new_ != NULL ? new_ : "set"));
}

static void
add_change(void *arg, const char *path, const char *old, const char *new_)
{
	json_object_set_new(arg, path, new_ != NULL ? json_pack("{s:s, s:s}", "old", old, "new", new_) : json_string("changed"));
}

/* With the settings that are not the defaults: who changed the file while the server was away is seen by what it starts with. */
static enum sql_status
note_start(struct sql *db, const struct audit_who *who, const struct config *c, unsigned reactors, struct err *e)
{
	json_t *settings = json_object(), *detail = json_pack("{s:s, s:i, s:o}", "version", CHANCERY_VERSION, "reactors", (int)reactors, "settings", settings);
	enum sql_status st;

	config_each_change(NULL, c, add_value, settings);
	st = audit_write(db, who, "server.start", c->file, detail, e);
	json_decref(detail);
	return st;
}

int
audit_reload(const struct config *new_, struct sql *db, const struct audit_who *who, struct err *e)
{
	struct config *old = config_get();
	json_t *changed = json_object(), *detail = json_pack("{s:o}", "changed", changed);
	enum sql_status st;

	config_each_change(old, new_, add_change, changed);
	st = audit_write(db, who, "config.reload", new_->file, detail, e);
	json_decref(detail);
	config_unref(old);
	return st == SQL_OK ? 0 : -1;
}

int
audit_started(const struct config *c, unsigned reactors, struct err *e)
{
	struct sql *db = sql_new(c->database.conninfo, "chanceryd start");
	struct audit_who who = audit_ourselves("start");
	enum sql_status st = sql_connect(db, CONNECT_MS, e);

	if (st == SQL_OK)
		st = note_migrations(db, &who, e);
	/* Whoever lets the server run on a database that may forget has signed for it, at each start. */
	if (st == SQL_OK && c->database.allow_unsafe)
		st = audit_write(db, &who, "start.allow-unsafe-durability", NULL, NULL, e);
	if (st == SQL_OK)
		st = note_start(db, &who, c, reactors, e);
	sql_free(db);
	return st == SQL_OK ? 0 : -1;
}

struct audit_who
audit_signaller(uid_t uid, pid_t pid, char name[AUDIT_NAME], char origin[AUDIT_NAME])
{
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getpwuid_r(uid, &pw, room, sizeof room, &found) == 0 && found != NULL)
		snprintf(name, AUDIT_NAME, "%s", pw.pw_name);
	else
		snprintf(name, AUDIT_NAME, "uid %lu", (unsigned long)uid);
	snprintf(origin, AUDIT_NAME, "signal pid=%ld", (long)pid);
	return (struct audit_who){.uid = uid, .login = -1, .name = name, .origin = origin};
}

void
audit_stopping(const struct config *c, uid_t uid, pid_t pid)
{
	char name[AUDIT_NAME], origin[AUDIT_NAME];
	struct audit_who who = audit_signaller(uid, pid, name, origin);
	struct audit_event v = {.person = who.name, .uid = who.uid, .login = -1, .origin = who.origin, .action = "server.stop",
				.target = c->file, .within_ms = STOP_MS};
	struct sql *db;
	struct err e = {0};
	uint64_t record;

	/* An archive that is away would only hold up the stop: the next start says that there was one. */
	if (!record_is_up() || audit_record(&v, &record, &e) != SQL_OK)
		return;
	db = sql_new(c->database.conninfo, "chanceryd stop");
	if (sql_connect(db, STOP_MS, &e) != SQL_OK || audit_row(db, &v, record, &e) != SQL_OK)
		log_warning(NULL, "audit-row-missing", "action=%s why=%s", v.action, e.text);
	sql_free(db);
}
