/*
 * verb_device: the devices of an account: what has access to it, and taking that away (XEP-0494 for administrators).
 */
#include "admin/request/request.h"

#include "base/arena.h"
#include "base/crypt.h"
#include "core/census.h"
#include "core/config/config.h"
#include "store/device.h"
#include "store/device_password.h"
#include "xmpp/jid.h"

/* NULL with err. */
static struct jid *
account_arg(struct request *r, const char *text)
{
	struct jid *j = jid_parse_z(text);

	if (j != NULL && jid_local(j) != NULL && jid_is_bare(j))
		return j;
	jid_unref(j);
	err_set(&r->err, 0, "not an address: expected name@domain");
	return NULL;
}

/* Which of the devices have a session now, and when that was used last. */
struct live {
	const struct device_row *rows;
	size_t n;
	int64_t *active_us; /* for each row; 0: no session */
};

static void
note_session(void *arg, const struct census_session *s)
{
	struct live *l = arg;

	for (size_t i = 0; i < l->n; i++)
		if (s->device == l->rows[i].id && s->active_us > l->active_us[i])
			l->active_us[i] = s->active_us;
}

static json_t *
device_row(const struct device_row *d, int64_t active_us)
{
	json_t *access = json_array();

	if (d->password)
		json_array_append_new(access, json_string("password"));
	if (d->token)
		json_array_append_new(access, json_string("token"));
	if (d->own)
		json_array_append_new(access, json_string("device password"));
	return json_pack("{s:I, s:s?, s:s?, s:o, s:b, s:o, s:o, s:s?, s:s?}", "id", (json_int_t)d->id, "software",
			 d->software, "device", d->device, "access", access, "connected", active_us != 0, "first",
			 request_time(d->first_us), "last",
			 request_time(active_us > d->last_us ? active_us : d->last_us), "address", d->address, "agent",
			 d->agent);
}

static int
list_devices(struct request *r, const char *bare, struct arena *a)
{
	struct device_row *rows;
	struct live l;
	int rc = 0;

	/* All that are remembered: an administrator also asks what was there. */
	if (device_list(r->db, a, bare, 0, &rows, &l.n, &r->err) != SQL_OK)
		return -1;
	l.rows = rows;
	l.active_us = arena_zalloc(a, (l.n + 1) * sizeof *l.active_us);
	census_sessions(bare, note_session, &l);
	for (size_t i = 0; i < l.n && rc == 0; i++)
		rc = request_row(r, device_row(&rows[i], l.active_us[i]));
	return rc;
}

static int
device_verb_list(struct request *r)
{
	const char *text;
	struct arena *a;
	struct jid *j;
	int rc;

	if (request_args(r, "{s:s}", "jid", &text) != 0 || (j = account_arg(r, text)) == NULL)
		return -1;
	a = arena_new(0);
	rc = request_db(r);
	if (rc == 0)
		rc = list_devices(r, jid_bare(j), a);
	arena_free(a);
	jid_unref(j);
	return rc;
}

/* The change and its audit row are one transaction. */
static int
revoke(struct request *r, const char *bare, int64_t id, bool *password)
{
	json_t *detail = json_pack("{s:I}", "device", (json_int_t)id);
	bool found = false;
	enum sql_status st = sql_begin(r->db, &r->err);

	if (st == SQL_OK)
		st = device_revoke(r->db, bare, id, &found, password, &r->err);
	if (st == SQL_OK && found)
		st = audit_write(r->db, r->who, "device.revoke", bare, detail, &r->err);
	json_decref(detail);
	if (st == SQL_OK && found)
		st = sql_commit(r->db, &r->err);
	else
		sql_rollback(r->db);
	if (st == SQL_OK && found) {
		audit_log(r->who, "device.revoke", bare);
		return 0;
	}
	return st == SQL_OK ? err_set(&r->err, 0, "%s has no device %lld", bare, (long long)id) : -1;
}

static int
device_verb_revoke(struct request *r)
{
	const char *text;
	json_int_t id;
	struct jid *j;
	bool password = false;
	unsigned closed = 0;
	int rc;

	if (request_args(r, "{s:s, s:I}", "jid", &text, "id", &id) != 0 || (j = account_arg(r, text)) == NULL)
		return -1;
	rc = request_db(r);
	if (rc == 0)
		rc = revoke(r, jid_bare(j), id, &password);
	/* Also when the outcome is unknown: sessions that end without need come back. */
	if (rc == 0 || !sql_is_connected(r->db))
		closed = census_device_revoked(jid_bare(j), id, "Access was revoked by an administrator");
	if (rc == 0)
		rc = request_row(r, json_pack("{s:s, s:I, s:i, s:b}", "jid", jid_bare(j), "id", id, "closed", (int)closed,
					      "knows_password", (int)password));
	jid_unref(j);
	return rc;
}

/* A password of its own */

/* The change and its audit row are one transaction. */
static int
make_password(struct request *r, struct device_password *p)
{
	static const char *const refusals[] = {
		[DEVICE_PASSWORD_NOBODY] = "does not exist, or has no password of its own",
		[DEVICE_PASSWORD_TOO_MANY] = "has as many passwords of devices as it may have (limits.device_passwords)",
		[DEVICE_PASSWORD_BY_ITSELF] = "has logged in with one",
	};
	json_t *detail;
	enum sql_status st = sql_begin(r->db, &r->err);

	if (st == SQL_OK)
		st = device_password_make(r->db, p, &r->err);
	if (st == SQL_OK && p->how != DEVICE_PASSWORD_MADE) {
		sql_rollback(r->db);
		return err_set(&r->err, 0, "%s %s", p->bare, refusals[p->how]);
	}
	detail = json_pack("{s:I, s:s}", "device", (json_int_t)p->id, "name", p->name);
	if (st == SQL_OK)
		st = audit_write(r->db, r->who, "device.password", p->bare, detail, &r->err);
	json_decref(detail);
	if (st == SQL_OK)
		st = sql_commit(r->db, &r->err);
	else
		sql_rollback(r->db);
	if (st == SQL_OK)
		audit_log(r->who, "device.password", p->bare);
	return st == SQL_OK ? 0 : -1;
}

static int
device_verb_password(struct request *r)
{
	struct device_password p = {.how = DEVICE_PASSWORD_NOBODY};
	struct config *c;
	const char *text;
	struct jid *j;
	int rc;

	if (request_args(r, "{s:s, s:s}", "jid", &text, "name", &p.name) != 0 || (j = account_arg(r, text)) == NULL)
		return -1;
	c = config_get();
	p.bare = jid_bare(j);
	p.most = c->limits.device_passwords;
	config_unref(c);
	rc = device_password_is_name(p.name) ? request_db(r) :
		err_set(&r->err, 0, "the name has 1 to %d bytes, and no control characters", DEVICE_PASSWORD_NAME);
	if (rc == 0)
		rc = make_password(r, &p);
	if (rc == 0)
		rc = request_row(r, json_pack("{s:s, s:I, s:s, s:s}", "jid", jid_bare(j), "id", (json_int_t)p.id, "name", p.name, "password",
					      p.text));
	crypt_wipe(p.text, sizeof(p.text));
	jid_unref(j);
	return rc;
}

const struct request_verb request_device_verbs[] = {
	{"device", "password", device_verb_password, .about = "Makes a password for one client of an account", .args = "jid:string name:string"},
	{"device", "list", device_verb_list, .about = "Lists the devices of an account, and what access they have", .args = "jid:string"},
	{"device", "revoke", device_verb_revoke, .about = "Ends a device's sessions and tokens", .args = "jid:string id:integer"},
	{.noun = NULL},
};
