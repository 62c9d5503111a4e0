/*
 * verb_gateway: gateways to public networks: which there are, who may use them, and the key of the passwords that they keep. Each change is one
 * transaction with its audit row; then every reactor has it, and programs are started and ended, before the command returns or soon behind it.
 *
 * A gateway is a component of the same name (verb_component): it is on when that is enabled.
 */
#include <pthread.h>
#include <string.h>

#include "admin/component/component_words.h"
#include "admin/gateway/gateway_words.h"
#include "admin/gateway/gateways.h"
#include "admin/request/change.h"
#include "admin/request/request.h"
#include "base/arena.h"
#include "base/crypt.h"
#include "core/component/component.h"
#include "core/component/component_rules.h"
#include "core/config/config.h"
#include "core/gateway/gateway.h"
#include "core/gateway/gateway_stats.h"
#include "store/component_store.h"
#include "store/gateway_store.h"
#include "store/sealed.h"

#define SECRET_BYTES 24 /* of random, in hexadecimal */
#define USERS_PAGE 500
#define OFF_MS 5000
#define ALL 100000000   /* of credentials, to be sealed anew */

/* Arguments */

static int
read_kind(struct request *r, const char *kind)
{
	size_t n = strlen(kind);

	if (n == 0 || n > GATEWAY_KIND_MAX || strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789") != n || strchr("0123456789", *kind) != NULL)
		return err_set(&r->err, 0, "a kind is the name of a program, chancery-gateway-KIND: irc, mail, sms, sip");
	return 0;
}

/* Rows */

struct connected {
	const char *domain;
	bool is;
};

static void
look(void *arg, const char *domain)
{
	struct connected *c = arg;

	c->is |= strcmp(c->domain, domain) == 0;
}

static json_t *
program_of(const char *name)
{
	struct gateways_state s;

	gateways_state(name, &s);
	return json_pack("{s:s, s:I, s:o, s:I, s:s}", "state", s.what, "pid", (json_int_t)s.pid, "since", request_time(s.since_us), "restarts",
		(json_int_t)s.restarts, "why", s.why);
}

static json_t *
stats_of(const char *name)
{
	struct gateway_stat list[GATEWAY_STATS_MAX];
	json_t *out = json_object();
	int64_t at_us;
	unsigned n = gateway_stats_get(name, list, &at_us);

	for (unsigned i = 0; i < n; i++)
		json_object_set_new(out, list[i].name, json_integer((json_int_t)list[i].value));
	if (at_us != 0)
		json_object_set_new(out, "at", request_time(at_us));
	return out;
}

static json_t *
row_of(const PGresult *rows, int i, bool whole)
{
	const char *name = sql_text(rows, i, GATEWAY_NAME);
	struct connected c = {.domain = sql_text(rows, i, GATEWAY_DOMAIN)};
	json_t *row, *program = program_of(name);

	component_each(look, &c);
	row = json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:I}", "name", name, "kind", sql_text(rows, i, GATEWAY_KIND), "domain", c.domain, "enabled",
		(int)sql_bool(rows, i, GATEWAY_ENABLED), "connected", (int)c.is, "state", json_incref(json_object_get(program, "state")), "program", program,
		"users", (json_int_t)sql_i64(rows, i, GATEWAY_USERS));
	json_object_set_new(row, "rules", gateway_words_rules(sql_text(rows, i, GATEWAY_RULES)));
	if (whole) {
		json_object_set_new(row, "settings", gateway_words_hide(json_loads(sql_text(rows, i, GATEWAY_SETTINGS), 0, NULL)));
		json_object_set_new(row, "stats", stats_of(name));
		json_object_set_new(row, "rate", json_integer((json_int_t)sql_i64(rows, i, GATEWAY_PER_SECOND)));
	}
	json_object_set_new(row, "changed", request_time(sql_i64(rows, i, GATEWAY_CHANGED_US)));
	json_object_set_new(row, "by", json_string(sql_text(rows, i, GATEWAY_CHANGED_BY)));
	return row;
}

static int
no_such(struct request *r, const char *name)
{
	return err_set(&r->err, 0, "there is no gateway %.70s; see chancery gateway list", name);
}

/* That of this name, or all, in short. */
static int
give_rows(struct request *r, const char *name)
{
	PGresult *rows;
	int rc = 0;

	if (gateway_store_read(r->db, name, &rows, &r->err) != SQL_OK)
		return -1;
	if (name != NULL && PQntuples(rows) == 0)
		rc = no_such(r, name);
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++)
		rc = request_row(r, row_of(rows, i, name != NULL));
	PQclear(rows);
	return rc;
}

/* Changes */

static int
begin(struct request *r)
{
	return change_begin(r, component_store_lock);
}

/* What is about a gateway that there is. */
static int
begin_of(struct request *r, const char *name)
{
	bool is = false;

	if (begin(r) != 0 || gateway_store_is(r->db, name, &is, &r->err) != SQL_OK)
		return -1;
	return is ? 0 : no_such(r, name);
}

/* Who is in a room or waits for an answer is told before the stream ends: for so long, where the program is ours. */
static void
say_off(const char *name)
{
	struct gateways_state s;

	gateways_state(name, &s);
	gateway_tell_off(name, s.pid != 0 ? OFF_MS : 0);
	gateways_follow(name);
}

enum what { CHANGED, RULES, OFF, GONE };

/* Who may is known everywhere before anybody can connect; what is no gateway any more is no component before. */
static int
put_in_force(struct request *r, const char *name, enum what what)
{
	struct config *c = config_get();
	int rc = 0;

	if (what == GONE) {
		say_off(name);
		rc = component_changed(&r->err);
	}
	if (rc == 0)
		rc = gateway_changed(c->database.conninfo, &r->err);
	if (rc == 0 && what == OFF)
		say_off(name);
	if (rc == 0 && what != GONE)
		rc = component_changed(&r->err);
	config_unref(c);
	gateways_follow(name);
	if (rc == 0 && what == RULES)
		gateway_tell_policy(name, NULL);
	return rc == 0 ? 0 : err_prefix(&r->err, "the change is stored, but not in force yet (repeat the command)");
}

/* Takes `detail`. */
static int
commit(struct request *r, enum what what, const char *action, const char *name, json_t *detail)
{
	return change_commit(r, action, name, detail) == 0 ? put_in_force(r, name, what) : -1;
}

static int
add_rows(struct request *r, const char *name, const char *kind, const char *domain, const char *settings)
{
	struct config *config = config_get();
	uint64_t most = config->limits.components;
	char secret[2 * SECRET_BYTES + 1];
	struct component_row c = {.name = name, .secret = secret, .domains = domain, .who = r->who->name, .kinds = COMPONENT_ALL, .keep = true};
	const char *why = NULL;
	int rc = -1;

	config_unref(config);
	crypt_random_hex(secret, SECRET_BYTES);
	if (begin(r) == 0 && component_store_add(r->db, &c, most, &why, &r->err) == SQL_OK) {
		if (why != NULL)
			err_set(&r->err, 0, "%s", why);
		else if (gateway_store_add(r->db, name, kind, settings, r->who->name, &r->err) == SQL_OK)
			rc = 0;
	}
	crypt_wipe(secret, sizeof secret);
	return rc;
}

static int
gateway_add(struct request *r)
{
	const char *name, *kind, *to;
	json_t *given = NULL;
	char domain[COMPONENT_WORDS_DOMAIN], *settings;
	int rc;

	if (request_args(r, "{s:s, s:s, s:s, s?o}", "name", &name, "kind", &kind, "domain", &to, "settings", &given) != 0 ||
	    component_words_name(name, &r->err) != 0 || read_kind(r, kind) != 0 || component_words_domain(to, domain, &r->err) != 0)
		return -1;
	settings = gateway_words_settings(given, NULL, domain, &r->err);
	if (settings == NULL)
		return -1;
	rc = add_rows(r, name, kind, domain, settings);
	if (rc == 0)
		rc = commit(r, CHANGED, "gateway.add", name, json_pack("{s:s, s:s, s:o}", "kind", kind, "domain", domain, "settings",
			gateway_words_hide(json_loads(settings, 0, NULL))));
	request_text_free(settings);
	return change_end(r, rc) == 0 ? give_rows(r, name) : -1;
}

/* The settings as they are, for those that are to take their place. NULL and err: there is no such gateway. */
static json_t *
old_settings(struct request *r, const char *name, const char **domain, struct arena *a)
{
	json_t *old = NULL;
	PGresult *rows;

	if (gateway_store_read(r->db, name, &rows, &r->err) != SQL_OK)
		return NULL;
	if (PQntuples(rows) == 0) {
		no_such(r, name);
	} else {
		old = json_loads(sql_text(rows, 0, GATEWAY_SETTINGS), 0, NULL);
		*domain = arena_strdup(a, sql_text(rows, 0, GATEWAY_DOMAIN));
	}
	PQclear(rows);
	return old;
}

static int
set_settings(struct request *r, const char *name, json_t *given, json_t *detail)
{
	struct arena *a = arena_new(0);
	const char *domain = "";
	json_t *old = old_settings(r, name, &domain, a);
	char *text = old != NULL ? gateway_words_settings(given, old, domain, &r->err) : NULL;
	bool found = false;
	int rc = -1;

	if (text != NULL && gateway_store_set(r->db, name, text, r->who->name, &found, &r->err) == SQL_OK) {
		json_object_set_new(detail, "settings", gateway_words_hide(json_loads(text, 0, NULL)));
		rc = 0;
	}
	request_text_free(text);
	json_decref(old);
	arena_free(a);
	return rc;
}

static int
set_rate(struct request *r, const char *name, int64_t rate, json_t *detail)
{
	struct component_change c = COMPONENT_UNCHANGED;
	bool found = false;

	c.per_second = rate;
	json_object_set_new(detail, "rate", json_integer((json_int_t)rate));
	return component_store_change(r->db, name, &c, r->who->name, &found, &r->err) == SQL_OK ? 0 : -1;
}

static int
gateway_set(struct request *r)
{
	json_t *given = NULL, *detail;
	json_int_t rate = -1;
	const char *name;
	int rc;

	if (request_args(r, "{s:s, s?o, s?I}", "name", &name, "settings", &given, "rate", &rate) != 0)
		return -1;
	if (given == NULL && rate == -1)
		return err_set(&r->err, 0, "say what to change");
	if (rate != -1 && (rate < 0 || rate > 1000000))
		return err_set(&r->err, 0, "rate: stanzas a second, from 1 to 1000000; 0: the server's limit");
	detail = json_object();
	rc = begin_of(r, name);
	if (rc == 0 && given != NULL)
		rc = set_settings(r, name, given, detail);
	if (rc == 0 && rate != -1)
		rc = set_rate(r, name, rate, detail);
	if (rc == 0)
		rc = commit(r, CHANGED, "gateway.set", name, detail);
	else
		json_decref(detail);
	if (change_end(r, rc) != 0)
		return -1;
	if (given != NULL)
		gateway_tell_settings(name);
	return give_rows(r, name);
}

static int
switch_to(struct request *r, int enabled)
{
	struct component_change c = COMPONENT_UNCHANGED;
	const char *name;
	bool found = false;
	int rc;

	if (request_args(r, "{s:s}", "name", &name) != 0)
		return -1;
	c.enabled = enabled;
	rc = begin_of(r, name) == 0 && component_store_change(r->db, name, &c, r->who->name, &found, &r->err) == SQL_OK ? 0 : -1;
	if (rc == 0)
		rc = commit(r, enabled ? CHANGED : OFF, enabled ? "gateway.enable" : "gateway.disable", name, NULL);
	return change_end(r, rc) == 0 ? give_rows(r, name) : -1;
}

static int
gateway_enable(struct request *r)
{
	return switch_to(r, 1);
}

static int
gateway_disable(struct request *r)
{
	return switch_to(r, 0);
}

static int
gateway_remove(struct request *r)
{
	const char *name;
	bool found = false;
	int rc;

	if (request_args(r, "{s:s}", "name", &name) != 0)
		return -1;
	rc = begin_of(r, name) == 0 && component_store_remove(r->db, name, &found, &r->err) == SQL_OK ? 0 : -1;
	if (rc == 0)
		rc = commit(r, GONE, "gateway.remove", name, NULL);
	return change_end(r, rc) == 0 ? request_row(r, json_pack("{s:s}", "name", name)) : -1;
}

/* Who may */

static int
put_rule(struct request *r, struct gateway_rule_row *row)
{
	struct config *config = config_get();
	uint64_t most = config->limits.gateway_rules;
	const char *why = NULL;
	json_t *detail;
	int rc;

	config_unref(config);
	row->who = r->who->name;
	if (*row->group == '\0' || strlen(row->group) > 1023 || strpbrk(row->group, "\r\n") != NULL)
		return err_set(&r->err, 0, "group: a group of the organisation, or everyone");
	rc = begin(r) == 0 && gateway_store_rule(r->db, row, most, &why, &r->err) == SQL_OK ? 0 : -1;
	if (why != NULL)
		rc = err_set(&r->err, 0, "%s", why);
	if (rc == 0) {
		detail = json_pack("{s:s}", "group", row->group);
		if (row->allowed)
			json_object_set_new(detail, "rights", gateway_words_rights((unsigned)row->rights));
		if (row->per_minute > 0)
			json_object_set_new(detail, "per_minute", json_integer((json_int_t)row->per_minute));
		rc = commit(r, RULES, row->allowed ? "gateway.allow" : "gateway.deny", row->gateway, detail);
	}
	return change_end(r, rc) == 0 ? give_rows(r, row->gateway) : -1;
}

static int
gateway_allow(struct request *r)
{
	struct gateway_rule_row row = {.allowed = true};
	json_t *rights = NULL;
	json_int_t per_minute = 0;

	if (request_args(r, "{s:s, s:s, s?o, s?I}", "name", &row.gateway, "group", &row.group, "rights", &rights, "per_minute", &per_minute) != 0 ||
	    gateway_words_read_rights(rights, &row.rights, &r->err) != 0)
		return -1;
	if (per_minute < 0 || per_minute > 1000000)
		return err_set(&r->err, 0, "per_minute: messages a minute, from 1 to 1000000; 0: the server's limit");
	row.per_minute = per_minute;
	return put_rule(r, &row);
}

static int
gateway_deny(struct request *r)
{
	struct gateway_rule_row row = {.allowed = false};

	return request_args(r, "{s:s, s:s}", "name", &row.gateway, "group", &row.group) != 0 ? -1 : put_rule(r, &row);
}

static int
gateway_forget(struct request *r)
{
	const char *name, *group;
	bool found = false;
	int rc;

	if (request_args(r, "{s:s, s:s}", "name", &name, "group", &group) != 0)
		return -1;
	rc = begin(r) == 0 && gateway_store_forget(r->db, name, group, &found, &r->err) == SQL_OK ? 0 : -1;
	if (rc == 0 && !found)
		rc = err_set(&r->err, 0, "there is no such rule; see chancery gateway show %.70s", name);
	if (rc == 0)
		rc = commit(r, RULES, "gateway.forget", name, json_pack("{s:s}", "group", group));
	return change_end(r, rc) == 0 ? give_rows(r, name) : -1;
}

/* Looking */

static int
gateway_list(struct request *r)
{
	return request_args(r, "{}") != 0 || request_db(r) != 0 ? -1 : give_rows(r, NULL);
}

static int
gateway_show(struct request *r)
{
	const char *name;

	return request_args(r, "{s:s}", "name", &name) != 0 || request_db(r) != 0 ? -1 : give_rows(r, name);
}

static int
gateway_users(struct request *r)
{
	const char *name, *after = "";
	PGresult *rows;
	int rc = 0, n;

	if (request_args(r, "{s:s, s?s}", "name", &name, "cursor", &after) != 0 || request_db(r) != 0)
		return -1;
	if (gateway_store_users(r->db, name, after, USERS_PAGE + 1, &rows, &r->err) != SQL_OK)
		return -1;
	n = PQntuples(rows);
	for (int i = 0; i < n && i < USERS_PAGE && rc == 0; i++)
		rc = request_row(r, json_pack("{s:s, s:s, s:o, s:b}", "jid", sql_text(rows, i, 0), "mode", sql_text(rows, i, 1), "since",
			request_time(sql_i64(rows, i, 2)), "credential", (int)sql_bool(rows, i, 3)));
	if (rc == 0 && n > USERS_PAGE)
		rc = request_next(r, sql_text(rows, USERS_PAGE - 1, 0));
	PQclear(rows);
	return rc;
}

/* The key of credentials */

struct resealed {
	json_int_t n, lost;
};

static int
reseal_one(struct request *r, struct arena *a, const PGresult *rows, int i, struct resealed *out)
{
	const char *gateway = sql_text(rows, i, 0), *jid = sql_text(rows, i, 1);
	struct sealed old = {.key_id = (unsigned)sql_i64(rows, i, 2), .nonce = sql_text(rows, i, 3), .text = sql_text(rows, i, 4)}, now;
	size_t n = strlen(gateway) + 1 + strlen(jid);
	char *owner = arena_zalloc(a, n + 1), *text;
	struct err e = {0};

	memcpy(owner, gateway, strlen(gateway));
	memcpy(owner + strlen(gateway) + 1, jid, strlen(jid));
	text = sealed_open(a, owner, n, &old, &e);
	if (text == NULL) {
		log_error(NULL, "gateway-credential-lost", "network=%s jid=%s why=%s", gateway, jid, e.text);
		out->lost++;
		return 0;
	}
	if (sealed_seal(a, owner, n, text, &now, &r->err) != 0 ||
	    gateway_store_reseal(r->db, gateway, jid, now.key_id, now.nonce, now.text, &r->err) != SQL_OK) {
		crypt_wipe(text, strlen(text));
		return -1;
	}
	crypt_wipe(text, strlen(text));
	out->n++;
	return 0;
}

static int
reseal_all(struct request *r, unsigned id, struct resealed *out)
{
	struct arena *a;
	PGresult *rows;
	int rc = 0;

	if (gateway_store_stale_credentials(r->db, id, ALL, &rows, &r->err) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++) {
		a = arena_new(0);
		rc = reseal_one(r, a, rows, i, out);
		arena_free(a);
	}
	PQclear(rows);
	return rc;
}

/* The keys under which something is sealed. What cannot be opened may be of a key that comes back; but each is of one that the file has, or of none. */
struct in_use {
	unsigned id[SEALED_KEYS_MAX], n;
};

static int
keys_in_use(struct request *r, struct in_use *u)
{
	PGresult *rows;

	if (gateway_store_key_ids(r->db, &rows, &r->err) != SQL_OK)
		return -1;
	u->n = 0;
	for (int i = 0; i < PQntuples(rows); i++)
		if (u->n < SEALED_KEYS_MAX && sealed_has((unsigned)sql_i64(rows, i, 0)))
			u->id[u->n++] = (unsigned)sql_i64(rows, i, 0);
	PQclear(rows);
	return 0;
}

/* Nobody else seals anything until the transaction's end. What an exchange that failed has left in the file goes first. */
static int
make_key(struct request *r, unsigned *id)
{
	struct in_use u;

	return sql_begin(r->db, &r->err) == SQL_OK && gateway_store_lock_credentials(r->db, &r->err) == SQL_OK && keys_in_use(r, &u) == 0 &&
		sealed_keep_only(u.id, u.n, &r->err) == 0 && sealed_new_key(id, &r->err) == 0 ? 0 : -1;
}

/* The new key is on disk before anything is sealed under it, and the old one is forgotten when nothing is any more: so a crash in between loses nothing,
 * and the command can be repeated. One at a time: one must not forget the key that another one's work is under. */
static int
rotate_key(struct request *r)
{
	struct resealed done = {0};
	struct in_use left = {.n = 0};
	unsigned id = 0;
	json_t *detail;
	int rc;

	if (request_args(r, "{}") != 0 || request_db(r) != 0)
		return -1;
	rc = make_key(r, &id) == 0 && reseal_all(r, id, &done) == 0 && keys_in_use(r, &left) == 0 ? 0 : -1;
	if (rc == 0) {
		detail = json_pack("{s:I, s:I, s:I}", "key", (json_int_t)id, "resealed", done.n, "lost", done.lost);
		rc = audit_write(r->db, r->who, "gateway.rotate-key", NULL, detail, &r->err) == SQL_OK && sql_commit(r->db, &r->err) == SQL_OK ? 0 : -1;
		json_decref(detail);
	}
	if (change_end(r, rc) != 0)
		return -1;
	audit_log(r->who, "gateway.rotate-key", "");
	if (sealed_keep_only(left.id, left.n, &r->err) != 0)
		return -1;
	return request_row(r, json_pack("{s:I, s:I, s:I}", "key", (json_int_t)id, "resealed", done.n, "lost", done.lost));
}

static int
gateway_rotate_key(struct request *r)
{
	static pthread_mutex_t rotating = PTHREAD_MUTEX_INITIALIZER;
	int rc;

	if (pthread_mutex_trylock(&rotating) != 0)
		return err_set(&r->err, 0, "the key is being exchanged already");
	rc = rotate_key(r);
	pthread_mutex_unlock(&rotating);
	return rc;
}

const struct request_verb request_gateway_verbs[] = {
	{"gateway", "add", gateway_add, .about = "Adds a gateway to a public network, and starts its program",
	 .args = "name:string kind:string domain:string settings:object?"},
	{"gateway", "set", gateway_set, .about = "Changes a gateway's settings, or its rate", .args = "name:string settings:object? rate:integer?"},
	{"gateway", "enable", gateway_enable, .about = "Switches a network on, and tries its program again", .args = "name:string"},
	{"gateway", "disable", gateway_disable, .about = "Switches a network off, at once", .args = "name:string"},
	{"gateway", "remove", gateway_remove, .about = "Takes a gateway away, with all that it keeps", .args = "name:string"},
	{"gateway", "allow", gateway_allow, .about = "Lets a group of the organisation use a network",
	 .args = "name:string group:string rights:string[]? per_minute:integer?"},
	{"gateway", "deny", gateway_deny, .about = "Keeps a group from a network, whatever else is allowed", .args = "name:string group:string"},
	{"gateway", "forget", gateway_forget, .about = "Takes the rule for a group back", .args = "name:string group:string"},
	{"gateway", "list", gateway_list, .about = "Lists gateways, who may use them, and whether they run"},
	{"gateway", "show", gateway_show, .about = "Shows a gateway, with its settings and what it says of itself", .args = "name:string"},
	{"gateway", "users", gateway_users, .about = "Lists who has registered with a gateway", .args = "name:string cursor:string?"},
	{"gateway", "rotate-key", gateway_rotate_key, .about = "Makes a new key for people's passwords at networks, and seals them anew"},
	{.noun = NULL},
};
