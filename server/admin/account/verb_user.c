/*
 * verb_user: accounts. Each change and its audit row are one transaction; what live sessions must hear of
 * is told after it (core/census.h).
 */
#include "admin/request/request.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "admin/account/account_name.h"
#include "admin/account/import.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/crypt.h"
#include "core/census.h"
#include "core/config/config.h"
#include "core/federation/partner.h"
#include "core/gateway/gateway.h"
#include "core/service/service.h"
#include "store/account.h"
#include "store/password.h"
#include "xmpp/jid.h"

#define LIST_PAGE 500

/* The account that an argument names. NULL with err. */
static struct jid *
account_arg(struct request *r, const char *text)
{
	struct config *c = config_get();
	struct jid *j = account_name_parse(c, text, &r->err);

	config_unref(c);
	return j;
}

static int
make_secret(struct request *r, struct account_secret *out, const char *password)
{
	struct config *c = config_get();
	int rc = password_keys(out, password, (uint32_t)c->auth.iterations, &r->err);

	config_unref(c);
	return rc;
}

/* A change of one account: begin, do, audit, commit. */
struct change {
	const char *action;
	enum sql_status (*run)(struct request *r, const char *bare, const void *arg, bool *done);
	const void *arg;
	const char *refusal; /* "%s …" when it was not done */
	bool audited;        /* by run itself */
};

/* Whatever fails: nothing has happened, or (connection lost during COMMIT) nobody knows. */
static int
apply(struct request *r, const char *bare, const struct change *c)
{
	enum sql_status rc;
	bool done = false;

	if (request_db(r) != 0)
		return -1;
	rc = sql_begin(r->db, &r->err);
	if (rc == SQL_OK)
		rc = c->run(r, bare, c->arg, &done);
	if (rc == SQL_OK && !done) {
		sql_rollback(r->db);
		return err_set(&r->err, 0, "%s %s", bare, c->refusal);
	}
	if (rc == SQL_OK && !c->audited)
		rc = audit_write(r->db, r->who, c->action, bare, NULL, &r->err);
	if (rc != SQL_OK) {
		sql_rollback(r->db);
		return -1;
	}
	rc = sql_commit(r->db, &r->err);
	if (rc == SQL_OK) {
		audit_log(r->who, c->action, bare);
		return 0;
	}
	if (rc == SQL_UNAVAILABLE)
		err_prefix(
			&r->err,
			"the database went away during the change: see with `user show` whether it "
			"was made");
	return -1;
}

static enum sql_status
run_add(struct request *r, const char *bare, const void *arg, bool *done)
{
	return account_add(r->db, bare, arg, done, &r->err);
}

static enum sql_status
run_password(struct request *r, const char *bare, const void *arg, bool *done)
{
	return account_set_secret(r->db, bare, arg, done, &r->err);
}

static enum sql_status
run_disabled(struct request *r, const char *bare, const void *arg, bool *done)
{
	return account_set_disabled(r->db, bare, *(const bool *)arg, done, &r->err);
}

/* Contacts hear of it while there still is a roster, and nobody does before it is recorded. */
static enum sql_status
run_delete(struct request *r, const char *bare, const void *arg, bool *done)
{
	struct arena *a = arena_new(0);
	struct account found = {0};
	enum sql_status rc = account_find(r->db, a, bare, &found, &r->err);

	(void)arg;
	arena_free(a);
	if (rc != SQL_OK || found.id == 0)
		return rc;
	rc = audit_write(r->db, r->who, "user.delete", bare, NULL, &r->err);
	if (rc != SQL_OK)
		return rc;
	census_account_leaving(bare);
	return account_delete(r->db, bare, done, &r->err);
}

static int
user_add(struct request *r)
{
	const char *text, *password;
	struct account_secret secret = {0};
	struct change c = {"user.add", run_add, &secret, "exists already", false};
	struct jid *j;
	int rc = -1;

	if (request_args(r, "{s:s, s:s}", "jid", &text, "password", &password) != 0 ||
	    (j = account_arg(r, text)) == NULL)
		return -1;
	if (make_secret(r, &secret, password) == 0)
		rc = apply(r, jid_bare(j), &c);
	if (rc == 0)
		rc = request_row(r, json_pack("{s:s}", "jid", jid_bare(j)));
	crypt_wipe(&secret, sizeof secret);
	jid_unref(j);
	return rc;
}

/* What password, disable, enable and delete have in common. Sessions end with `text`, and what the server
 * keeps in memory of the account is forgotten. */
static int
change_account(struct request *r, const char *address, const struct change *c, const char *text)
{
	struct jid *j = account_arg(r, address);
	unsigned closed = 0;
	int rc;

	if (j == NULL)
		return -1;
	rc = apply(r, jid_bare(j), c);
	/* Also when the outcome is unknown: sessions that end without need come back, those that stay
	 * without right do not. */
	if (rc == 0 || !sql_is_connected(r->db))
		closed = census_account_changed(jid_bare(j), text);
	if (rc == 0)
		rc = request_row(
			r, json_pack("{s:s, s:i}", "jid", jid_bare(j), "closed", (int)closed));
	jid_unref(j);
	return rc;
}

static int
user_password(struct request *r)
{
	const char *text, *password;
	struct account_secret secret = {0};
	struct change c = {"user.password", run_password, &secret, "does not exist", false};
	int rc;

	if (request_args(r, "{s:s, s:s}", "jid", &text, "password", &password) != 0)
		return -1;
	rc = make_secret(r, &secret, password);
	if (rc == 0)
		rc = change_account(r, text, &c, "The password was changed");
	crypt_wipe(&secret, sizeof secret);
	return rc;
}

/* Gateways are told, too: what somebody has at a network is no session here. */
static int
change_disabled(struct request *r, const struct change *c, const char *text)
{
	const char *address;
	struct jid *j;
	int rc;

	if (request_args(r, "{s:s}", "jid", &address) != 0 || (j = account_arg(r, address)) == NULL)
		return -1;
	rc = change_account(r, address, c, text);
	if (rc == 0 || !sql_is_connected(r->db))
		gateway_tell_policy(NULL, jid_bare(j));
	jid_unref(j);
	return rc;
}

static int
user_disable(struct request *r)
{
	const bool disabled = true;
	struct change c = {"user.disable", run_disabled, &disabled, "does not exist", false};

	return change_disabled(r, &c, "The account was disabled");
}

static int
user_enable(struct request *r)
{
	const bool disabled = false;
	struct change c = {"user.enable", run_disabled, &disabled, "does not exist", false};

	return change_disabled(r, &c, "The account was enabled");
}

static int
user_delete(struct request *r)
{
	struct change c = {"user.delete", run_delete, NULL, "does not exist", true};
	const char *text;
	struct jid *j;
	int rc;

	if (request_args(r, "{s:s}", "jid", &text) != 0 || (j = account_arg(r, text)) == NULL)
		return -1;
	rc = change_account(r, text, &c, "The account was deleted");
	/* Also when the outcome is unknown, as above. */
	if (rc == 0 || !sql_is_connected(r->db)) {
		service_account_removed(jid_bare(j));
		partner_account_removed(jid_bare(j));
		gateway_account_removed(jid_bare(j));
	}
	jid_unref(j);
	return rc;
}

/* Rights */

#define GROUP_BYTES_MAX 255

/* Two changes of one account: what they leave must reach the homes in the order of their commits. */
static pthread_mutex_t rights_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
is_group_name(const char *s)
{
	size_t n = strlen(s);

	for (const char *c = s; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return n > 0 && n <= GROUP_BYTES_MAX && s[0] != ' ' && s[n - 1] != ' ';
}

static json_t *
group_names(const char *lines)
{
	json_t *out = json_array();

	while (*lines != '\0') {
		size_t n = strcspn(lines, "\n");

		json_array_append_new(out, json_stringn(lines, n));
		lines += n + (lines[n] == '\n');
	}
	return out;
}

/* A list of names, or lines of them, as lines. */
static int
read_groups(struct request *r, json_t *list, struct buf *out)
{
	json_t *item;
	size_t i;

	if (json_is_string(list)) {
		json_t *names = group_names(json_string_value(list));
		int rc = read_groups(r, names, out);

		json_decref(names);
		return rc;
	}
	if (list != NULL && !json_is_array(list))
		return err_set(&r->err, 0, "wrong arguments: expected a list of groups");
	json_array_foreach(list, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL || !is_group_name(name))
			return err_set(&r->err, 0,
				       "not a group: expected 1 to %d bytes of text without control characters",
				       GROUP_BYTES_MAX);
		buf_addf(out, "%s%s", i > 0 ? "\n" : "", name);
	}
	return 0;
}

static int
too_many_groups(struct request *r, const char *bare, const struct account_rights *rights)
{
	struct config *c = config_get();
	uint64_t most = c->limits.account_groups;

	config_unref(c);
	if (rights->ngroups <= most)
		return 0;
	return err_set(&r->err, 0, "%s would be in more than %" PRIu64 " groups (limits.account_groups)", bare, most);
}

static json_t *
rights_detail(const struct account_rights *rights)
{
	return json_pack("{s:b, s:o, s:o}", "admin", (int)rights->admin, "added", group_names(rights->add), "removed",
			 group_names(rights->remove));
}

/* Change, audit, commit, as apply() does. */
static int
apply_rights(struct request *r, struct arena *a, const char *bare, struct account_rights *rights)
{
	json_t *detail = NULL;
	bool found = false;
	int rc = -1;

	if (request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK)
		return -1;
	if (account_set_rights(r->db, a, bare, rights, &found, &r->err) != SQL_OK)
		goto out;
	if (!found)
		err_set(&r->err, 0, "%s does not exist", bare);
	else if (too_many_groups(r, bare, rights) == 0) {
		detail = rights_detail(rights);
		if (audit_write(r->db, r->who, "user.set", bare, detail, &r->err) == SQL_OK)
			rc = sql_commit(r->db, &r->err) == SQL_OK ? 0 : -1;
	}
	json_decref(detail);
out:
	if (rc != 0)
		sql_rollback(r->db);
	return rc;
}

static int
set_rights(struct request *r, const char *bare, struct account_rights *rights)
{
	struct arena *a = arena_new(0);
	int rc;

	pthread_mutex_lock(&rights_lock);
	rc = apply_rights(r, a, bare, rights);
	if (rc == 0)
		census_account_rights(bare, rights->admin, rights->groups);
	if (rc == 0)
		gateway_tell_policy(NULL, bare);
	pthread_mutex_unlock(&rights_lock);
	if (rc == 0) {
		audit_log(r->who, "user.set", bare);
		rc = request_row(r, json_pack("{s:s, s:b, s:o}", "jid", bare, "admin", (int)rights->admin, "groups",
					      group_names(rights->groups)));
	}
	arena_free(a);
	return rc;
}

static int
user_set(struct request *r)
{
	const char *text;
	json_t *add = NULL, *remove = NULL;
	struct buf added = {0}, removed = {0};
	int admin = -1, rc = -1;
	bool value;
	struct jid *j = NULL;

	if (request_args(r, "{s:s, s?b, s?o, s?o}", "jid", &text, "admin", &admin, "add", &add, "remove", &remove) == 0 &&
	    read_groups(r, add, &added) == 0 && read_groups(r, remove, &removed) == 0 &&
	    (j = account_arg(r, text)) != NULL) {
		struct account_rights rights = {.add = buf_str(&added), .remove = buf_str(&removed)};

		value = admin == 1;
		rights.set_admin = admin >= 0 ? &value : NULL;
		rc = set_rights(r, jid_bare(j), &rights);
	}
	jid_unref(j);
	buf_fini(&added);
	buf_fini(&removed);
	return rc;
}

static void
count_session(void *arg, const struct census_session *s)
{
	(void)s;
	++*(unsigned *)arg;
}

static int
show_account(struct request *r, const char *bare, struct arena *a)
{
	struct account found;
	unsigned sessions = 0;

	if (account_find(r->db, a, bare, &found, &r->err) != SQL_OK)
		return -1;
	if (found.id == 0)
		return err_set(&r->err, 0, "%s does not exist", bare);
	census_sessions(bare, count_session, &sessions);
	return request_row(r, json_pack("{s:s, s:I, s:s, s:b, s:o, s:o, s:o, s:i, s:s*}", "jid", bare, "id",
					(json_int_t)found.id, "state",
					found.disabled ? "disabled" : "enabled", "admin",
					(int)found.admin, "groups", group_names(found.groups), "created",
					request_time(found.created_us), "last_seen",
					request_time(found.last_seen_us), "sessions", (int)sessions,
					"last_status", found.last_status));
}

static int
user_show(struct request *r)
{
	struct arena *a;
	const char *text;
	struct jid *j;
	int rc;

	if (request_args(r, "{s:s}", "jid", &text) != 0 || (j = account_arg(r, text)) == NULL)
		return -1;
	a = arena_new(0);
	rc = request_db(r);
	if (rc == 0)
		rc = show_account(r, jid_bare(j), a);
	arena_free(a);
	jid_unref(j);
	return rc;
}

/* As shells write patterns: * any text, ? one character. For SQL's LIKE. */
static void
pattern_to_like(const char *pattern, struct buf *out)
{
	for (const char *s = pattern; *s != '\0'; s++) {
		if (*s == '%' || *s == '_' || *s == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *s == '*' ? '%' : *s == '?' ? '_' : *s);
	}
}

static int
list_rows(struct request *r, const PGresult *rows)
{
	for (int i = 0; i < PQntuples(rows); i++) {
		json_t *row = json_pack("{s:s, s:I, s:s, s:o, s:o}", "jid", sql_text(rows, i, 0),
					"id", (json_int_t)sql_i64(rows, i, 1), "state",
					sql_bool(rows, i, 2) ? "disabled" : "enabled", "created",
					request_time(sql_i64(rows, i, 3)), "last_seen",
					request_time(sql_i64(rows, i, 4)));

		if (request_row(r, row) != 0)
			return -1;
	}
	return 0;
}

static int
user_list(struct request *r)
{
	const char *pattern = NULL;
	struct buf like = {0}, after = {0};
	int rc, n;

	if (request_args(r, "{s?s}", "pattern", &pattern) != 0 || request_db(r) != 0)
		return -1;
	if (pattern != NULL)
		pattern_to_like(pattern, &like);
	do {
		PGresult *rows;

		if (account_list(r->db, buf_str(&after), pattern != NULL ? buf_str(&like) : NULL,
				 LIST_PAGE, &rows, &r->err) != SQL_OK) {
			rc = -1;
			break;
		}
		n = PQntuples(rows);
		rc = list_rows(r, rows);
		buf_clear(&after);
		if (n > 0)
			buf_adds(&after, sql_text(rows, n - 1, 0));
		PQclear(rows);
	} while (rc == 0 && n == LIST_PAGE);
	buf_fini(&after);
	buf_fini(&like);
	return rc;
}

const struct request_verb request_user_verbs[] = {
	{"user", "add", user_add, .about = "Adds an account", .args = "jid:string password:string"},
	{"user", "import", import_accounts, .about = "Adds many accounts", .args = "accounts:object[]"},
	{"user", "list", user_list, .about = "Lists accounts", .args = "pattern:string?"},
	{"user", "show", user_show, .about = "Shows an account", .args = "jid:string"},
	{"user", "password", user_password, .about = "Sets a password; sessions end", .args = "jid:string password:string"},
	{"user", "disable", user_disable, .about = "Bars an account; its sessions end", .args = "jid:string"},
	{"user", "enable", user_enable, .about = "Lets a disabled account in again", .args = "jid:string"},
	{"user", "delete", user_delete, .about = "Removes an account for good", .args = "jid:string"},
	{"user", "set", user_set, .about = "Gives or takes rights and groups", .args = "jid:string admin:boolean? add:string[]? remove:string[]?"},
	{.noun = NULL},
};
