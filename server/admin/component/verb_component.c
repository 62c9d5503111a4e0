/*
 * verb_component: components of others: who may connect as which domains, and what each may. Each change is one transaction with its audit row;
 * then every reactor has it, before the command returns.
 */
#include <string.h>

#include "admin/component/component_words.h"
#include "admin/request/change.h"
#include "admin/request/request.h"
#include "base/buf.h"
#include "base/crypt.h"
#include "core/component/component.h"
#include "core/component/component_rules.h"
#include "core/config/config.h"
#include "store/component_store.h"
#include "store/gateway_store.h"

#define SECRET_BYTES 24 /* of random, in hexadecimal */
#define DOMAINS_MAX 64  /* of one component */

static const char *const kind_names[] = {"message", "presence", "iq"};

/* Arguments */

/* Prepared, as a further line of `out`. */
static int
add_domain(struct request *r, const char *text, struct buf *out)
{
	char domain[COMPONENT_WORDS_DOMAIN];

	if (text == NULL)
		return err_set(&r->err, 0, "wrong arguments: domains: a list of names");
	if (component_words_domain(text, domain, &r->err) != 0)
		return -1;
	buf_addf(out, "%s%s", buf_len(out) > 0 ? "\n" : "", domain);
	return 0;
}

static int
read_domains(struct request *r, const json_t *list, struct buf *out)
{
	size_t i;
	json_t *v;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > DOMAINS_MAX)
		return err_set(&r->err, 0, "wrong arguments: domains: a list of 1 to %d", DOMAINS_MAX);
	json_array_foreach(list, i, v)
		if (add_domain(r, json_string_value(v), out) != 0)
			return -1;
	return 0;
}

/* The bits; NULL: `otherwise`. */
static int
read_kinds(struct request *r, const json_t *list, int64_t otherwise, int64_t *kinds)
{
	size_t i;
	json_t *v;

	*kinds = otherwise;
	if (list == NULL)
		return 0;
	*kinds = 0;
	json_array_foreach(list, i, v) {
		int64_t bit = 0;

		for (int k = 0; k < 3 && json_is_string(v); k++)
			if (strcmp(kind_names[k], json_string_value(v)) == 0)
				bit = INT64_C(1) << k;
		if (bit == 0)
			return err_set(&r->err, 0, "kinds are message, presence and iq");
		*kinds |= bit;
	}
	return *kinds != 0 ? 0 : err_set(&r->err, 0, "wrong arguments: kinds: one at least of message, presence, iq");
}

static int
read_rate(struct request *r, const json_t *v, int64_t otherwise, int64_t *rate)
{
	*rate = v != NULL ? json_integer_value(v) : otherwise;
	if (v == NULL || (json_is_integer(v) && *rate >= 0 && *rate <= 1000000))
		return 0;
	return err_set(&r->err, 0, "rate: stanzas a second, from 1 to 1000000; 0: the server's limit");
}

/* While it is down: 1 keep, 0 return. */
static int
read_down(struct request *r, const char *down, int otherwise, int *keep)
{
	*keep = down == NULL ? otherwise : strcmp(down, "keep") == 0;
	if (down == NULL || *keep || strcmp(down, "return") == 0)
		return 0;
	return err_set(&r->err, 0, "down: keep or return");
}

/* Rows */

static json_t *
lines(const char *text)
{
	json_t *list = json_array();
	size_t n;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_array_append_new(list, json_stringn(text, n));
	}
	return list;
}

static json_t *
kinds_list(int64_t kinds)
{
	json_t *list = json_array();

	for (int k = 0; k < 3; k++)
		if ((kinds >> k & 1) != 0)
			json_array_append_new(list, json_string(kind_names[k]));
	return list;
}

struct seen {
	const char *domains;
	json_t *connected;
};

static void
note_connected(void *arg, const char *domain)
{
	struct seen *s = arg;
	size_t n = strlen(domain);

	for (const char *d = s->domains; *d != '\0'; d += strcspn(d, "\n"), d += *d == '\n')
		if (strcspn(d, "\n") == n && strncmp(d, domain, n) == 0)
			json_array_append_new(s->connected, json_string(domain));
}

static json_t *
row_of(const PGresult *rows, int i)
{
	struct seen s = {sql_text(rows, i, COMPONENT_DOMAINS), json_array()};

	component_each(note_connected, &s);
	return json_pack("{s:s, s:o, s:b, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:s}", "name", sql_text(rows, i, COMPONENT_NAME), "domains", lines(s.domains),
		"enabled", (int)sql_bool(rows, i, COMPONENT_ENABLED), "connected", s.connected, "kinds",
		kinds_list(sql_i64(rows, i, COMPONENT_KINDS)), "rate", (json_int_t)sql_i64(rows, i, COMPONENT_PER_SECOND), "down",
		sql_bool(rows, i, COMPONENT_KEEP) ? "keep" : "return", "privileges",
		lines(sql_text(rows, i, COMPONENT_GRANTS)), "added",
		request_time(sql_i64(rows, i, COMPONENT_CREATED_US)), "changed", request_time(sql_i64(rows, i, COMPONENT_CHANGED_US)), "by",
		sql_text(rows, i, COMPONENT_CHANGED_BY));
}

static int
no_such(struct request *r, const char *name)
{
	return err_set(&r->err, 0, "there is no component %.70s; see chancery component list", name);
}

/* The components of that name, or all; `secret`: shown with it, NULL: not. */
static int
give_rows(struct request *r, const char *name, const char *secret)
{
	PGresult *rows;
	int rc = 0;

	if (component_store_read(r->db, name, &rows, &r->err) != SQL_OK)
		return -1;
	if (name != NULL && PQntuples(rows) == 0)
		rc = no_such(r, name);
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++) {
		json_t *row = row_of(rows, i);

		if (secret != NULL)
			json_object_set_new(row, "secret", json_string(secret));
		rc = request_row(r, row);
	}
	PQclear(rows);
	return rc;
}

/* Changes */

/* Committed, then on every reactor. Takes `detail`. */
static int
commit(struct request *r, const char *action, const char *name, json_t *detail)
{
	if (change_commit(r, action, name, detail) != 0)
		return -1;
	if (component_changed(&r->err) == 0)
		return 0;
	return err_prefix(&r->err, "the change is stored, but not in force yet (repeat the command)");
}

static int
add_row(struct request *r, const struct component_row *c)
{
	struct config *config = config_get();
	uint64_t most = config->limits.components;
	const char *why = NULL;

	config_unref(config);
	if (change_begin(r, component_store_lock) != 0 || component_store_add(r->db, c, most, &why, &r->err) != SQL_OK)
		return -1;
	if (why != NULL)
		return err_set(&r->err, 0, "%s", why);
	return commit(r, "component.add", c->name, json_pack("{s:o, s:o, s:I, s:s}", "domains", lines(c->domains), "kinds", kinds_list(c->kinds), "rate",
		(json_int_t)c->per_second, "down", c->keep ? "keep" : "return"));
}

static int
component_add(struct request *r)
{
	const json_t *domains, *kinds = NULL, *rate = NULL;
	char secret[2 * SECRET_BYTES + 1];
	struct component_row c = {.secret = secret, .who = r->who->name};
	const char *down = NULL;
	struct buf list = {0};
	int rc, keep = 0;

	if (request_args(r, "{s:s, s:o, s?o, s?o, s?s}", "name", &c.name, "domains", &domains, "kinds", &kinds, "rate", &rate, "down", &down) != 0)
		return -1;
	crypt_random_hex(secret, SECRET_BYTES);
	rc = component_words_name(c.name, &r->err) != 0 || read_domains(r, domains, &list) != 0 || read_kinds(r, kinds, COMPONENT_ALL, &c.kinds) != 0 ||
		read_rate(r, rate, 0, &c.per_second) != 0 || read_down(r, down, 0, &keep) != 0 ? -1 : 0;
	c.keep = keep;
	c.domains = buf_str(&list);
	if (rc == 0)
		rc = change_end(r, add_row(r, &c));
	if (rc == 0)
		rc = give_rows(r, c.name, secret);
	crypt_wipe(secret, sizeof secret);
	buf_fini(&list);
	return rc;
}

/* Gateways have commands of their own, with which this goes together. */
static int
refuse_gateway(struct request *r, const char *name)
{
	bool is = false;

	if (gateway_store_is(r->db, name, &is, &r->err) != SQL_OK)
		return -1;
	return is ? err_set(&r->err, 0, "%.70s is a gateway; see chancery gateway --help", name) : 0;
}

/* Takes `detail`. */
static int
change(struct request *r, const char *action, const char *name, const struct component_change *c, json_t *detail)
{
	bool found = false;

	if (change_begin(r, component_store_lock) != 0 || refuse_gateway(r, name) != 0 || component_store_change(r->db, name, c, r->who->name, &found, &r->err) != SQL_OK) {
		json_decref(detail);
		return change_end(r, -1);
	}
	if (!found) {
		json_decref(detail);
		return change_end(r, no_such(r, name));
	}
	return change_end(r, commit(r, action, name, detail));
}

static int
component_set(struct request *r)
{
	struct component_change c = COMPONENT_UNCHANGED;
	const json_t *kinds = NULL, *rate = NULL;
	const char *name, *down = NULL;
	json_t *detail;

	if (request_args(r, "{s:s, s?o, s?o, s?s}", "name", &name, "kinds", &kinds, "rate", &rate, "down", &down) != 0 ||
	    read_kinds(r, kinds, -1, &c.kinds) != 0 || read_rate(r, rate, -1, &c.per_second) != 0 || read_down(r, down, -1, &c.keep) != 0)
		return -1;
	if (kinds == NULL && rate == NULL && down == NULL)
		return err_set(&r->err, 0, "say what to change");
	detail = json_object();
	if (kinds != NULL)
		json_object_set_new(detail, "kinds", kinds_list(c.kinds));
	if (rate != NULL)
		json_object_set_new(detail, "rate", json_integer(c.per_second));
	if (down != NULL)
		json_object_set_new(detail, "down", json_string(down));
	return change(r, "component.set", name, &c, detail) == 0 ? give_rows(r, name, NULL) : -1;
}

static int
component_secret(struct request *r)
{
	struct component_change c = COMPONENT_UNCHANGED;
	char secret[2 * SECRET_BYTES + 1];
	const char *name;
	int rc;

	if (request_args(r, "{s:s}", "name", &name) != 0)
		return -1;
	crypt_random_hex(secret, SECRET_BYTES);
	c.secret = secret;
	rc = change(r, "component.secret", name, &c, NULL);
	if (rc == 0)
		rc = give_rows(r, name, secret);
	crypt_wipe(secret, sizeof secret);
	return rc;
}

static int
switch_to(struct request *r, int enabled)
{
	struct component_change c = COMPONENT_UNCHANGED;
	const char *name;

	if (request_args(r, "{s:s}", "name", &name) != 0)
		return -1;
	c.enabled = enabled;
	return change(r, enabled ? "component.enable" : "component.disable", name, &c, NULL) == 0 ? give_rows(r, name, NULL) : -1;
}

static int
component_enable(struct request *r)
{
	return switch_to(r, 1);
}

static int
component_disable(struct request *r)
{
	return switch_to(r, 0);
}

static int
component_remove(struct request *r)
{
	const char *name;
	bool found = false;

	if (request_args(r, "{s:s}", "name", &name) != 0)
		return -1;
	if (change_begin(r, component_store_lock) != 0 || refuse_gateway(r, name) != 0 || component_store_remove(r->db, name, &found, &r->err) != SQL_OK)
		return change_end(r, -1);
	if (!found)
		return change_end(r, no_such(r, name));
	if (change_end(r, commit(r, "component.remove", name, NULL)) != 0)
		return -1;
	return request_row(r, json_pack("{s:s}", "name", name));
}

/* Privileges (XEP-0356) */

static bool
is_one_of(const char *word, const char *const *words)
{
	while (*words != NULL && strcmp(*words, word) != 0)
		words++;
	return *words != NULL;
}

/* `granting`: its access counts, too. */
static int
read_grant(struct request *r, struct component_grant *g, bool granting)
{
	static const char *const ways[] = {"get", "set", "both", NULL};
	bool iq = strcmp(g->privilege, "iq") == 0;
	const char *only = strcmp(g->privilege, "message") == 0 ? "outgoing" : strcmp(g->privilege, "presence") == 0 ? "managed_entity" : NULL;

	if (!iq && only == NULL && strcmp(g->privilege, "roster") != 0)
		return err_set(&r->err, 0, "privileges are roster, message, presence and iq");
	if (iq != (*g->ns != '\0') || strlen(g->ns) > 1000 || strpbrk(g->ns, " \r\n\t") != NULL)
		return err_set(&r->err, 0, "a namespace belongs to iq, and to nothing else");
	if (iq && strcmp(g->ns, "urn:xmpp:privilege:2") == 0)
		return err_set(&r->err, 0, "this namespace cannot be granted");
	if (granting && (only != NULL ? strcmp(g->access, only) != 0 : !is_one_of(g->access, ways)))
		return err_set(&r->err, 0, "%s: %s", g->privilege, only != NULL ? only : "get, set or both");
	return 0;
}

static json_t *
grant_detail(const struct component_grant *g, bool granting)
{
	return json_pack("{s:s, s:s*, s:s*}", "privilege", g->privilege, "namespace", *g->ns != '\0' ? g->ns : NULL, "access",
		granting ? g->access : NULL);
}

static int
component_grant(struct request *r)
{
	struct component_grant g = {.ns = "", .who = r->who->name};
	struct config *config = config_get();
	uint64_t most = config->limits.component_privileges;
	const char *why = NULL;

	config_unref(config);
	if (request_args(r, "{s:s, s:s, s:s, s?s}", "name", &g.name, "privilege", &g.privilege, "access", &g.access, "namespace", &g.ns) != 0 ||
	    read_grant(r, &g, true) != 0)
		return -1;
	if (change_begin(r, component_store_lock) != 0 || component_store_grant(r->db, &g, most, &why, &r->err) != SQL_OK)
		return change_end(r, -1);
	if (why != NULL)
		return change_end(r, err_set(&r->err, 0, "%s", why));
	return change_end(r, commit(r, "component.grant", g.name, grant_detail(&g, true))) == 0 ? give_rows(r, g.name, NULL) : -1;
}

static int
component_revoke(struct request *r)
{
	struct component_grant g = {.ns = ""};
	bool found = false;

	if (request_args(r, "{s:s, s:s, s?s}", "name", &g.name, "privilege", &g.privilege, "namespace", &g.ns) != 0 || read_grant(r, &g, false) != 0)
		return -1;
	if (change_begin(r, component_store_lock) != 0 || component_store_revoke(r->db, &g, &found, &r->err) != SQL_OK)
		return change_end(r, -1);
	if (!found)
		return change_end(r, err_set(&r->err, 0, "%.70s has no such privilege", g.name));
	return change_end(r, commit(r, "component.revoke", g.name, grant_detail(&g, false))) == 0 ? give_rows(r, g.name, NULL) : -1;
}

static int
component_list(struct request *r)
{
	return request_args(r, "{}") != 0 || request_db(r) != 0 ? -1 : give_rows(r, NULL, NULL);
}

static int
component_show(struct request *r)
{
	const char *name;

	return request_args(r, "{s:s}", "name", &name) != 0 || request_db(r) != 0 ? -1 : give_rows(r, name, NULL);
}

const struct request_verb request_component_verbs[] = {
	{"component", "add", component_add, .about = "Adds a component (XEP-0114) and makes its secret",
	 .args = "name:string domains:string[] kinds:string[]? rate:integer? down:string?"},
	{"component", "set", component_set, .about = "Changes what a component may", .args = "name:string kinds:string[]? rate:integer? down:string?"},
	{"component", "secret", component_secret, .about = "Makes a new secret; its streams end", .args = "name:string"},
	{"component", "disable", component_disable, .about = "Ends a component's streams and lets it in no more", .args = "name:string"},
	{"component", "enable", component_enable, .about = "Lets it in again", .args = "name:string"},
	{"component", "remove", component_remove, .about = "Takes a component away", .args = "name:string"},
	{"component", "grant", component_grant, .about = "Lets a component act in the name of users (XEP-0356)",
	 .args = "name:string privilege:string access:string namespace:string?"},
	{"component", "revoke", component_revoke, .about = "Takes such a privilege back, at once",
	 .args = "name:string privilege:string namespace:string?"},
	{"component", "list", component_list, .about = "Lists components and who of them is connected"},
	{"component", "show", component_show, .about = "Shows a component", .args = "name:string"},
	{.noun = NULL},
};
