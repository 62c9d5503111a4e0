/*
 * component_rules: two tables by domain, one from the settings and one from the database, each replaced as a whole under a mutex. Only
 * addresses that are not ours are looked up.
 */
#include "core/component/component_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "core/config/config.h"
#include "core/config/config_table.h"
#include "core/host.h"
#include "core/service/service.h"
#include "store/component_store.h"
#include "xmpp/jid.h"

#define CONNECT_MS 10000

struct row {
	UT_hash_handle hh;
	struct component_rules *rules;
	char domain[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct row *settings, *stored; /* under lock */

static struct component_rules *
ref(struct component_rules *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void
component_rules_unref(struct component_rules *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	crypt_wipe(r->secret, sizeof(r->secret));
	free(r->grants);
	free(r->words);
	free(r->iq);
	free(r);
}

static struct component_rules *
make(const char *name)
{
	struct component_rules *r = NEW(struct component_rules);

	atomic_init(&r->refs, 1);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->enabled = true;
	r->kinds = COMPONENT_ALL;
	return r;
}

/* A host or a service of this server? */
static bool
is_ours(const char *domain)
{
	struct jid *j = jid_new(NULL, domain, NULL);
	bool ours = !j || host_is_local(j) || service_of(j);

	jid_unref(j);
	return ours;
}

static void
add(struct row **table, const char *domain, struct component_rules *rules)
{
	struct row *d = mem_zalloc(sizeof(*d) + strlen(domain) + 1);

	strcpy(d->domain, domain);
	d->rules = ref(rules);
	HASH_ADD_STR(*table, domain, d);
}

static struct row *
find(struct row *table, const char *domain)
{
	struct row *d = NULL;

	HASH_FIND_STR(table, domain, d);
	return d;
}

static void
forget(struct row *table)
{
	struct row *d, *tmp;

	HASH_ITER(hh, table, d, tmp) {
		HASH_DELETE(hh, table, d);
		component_rules_unref(d->rules);
		free(d);
	}
}

static void
replace(struct row **table, struct row *with)
{
	struct row *old;

	pthread_mutex_lock(&lock);
	old = *table;
	*table = with;
	pthread_mutex_unlock(&lock);
	forget(old);
}

struct component_rules *
component_rules_get(const char *domain)
{
	struct component_rules *r = NULL;
	struct row *d;

	pthread_mutex_lock(&lock);
	d = find(settings, domain);
	if (!d)
		d = find(stored, domain);
	if (d)
		r = ref(d->rules);
	pthread_mutex_unlock(&lock);
	return r;
}

bool
component_rules_any(void)
{
	bool any;

	pthread_mutex_lock(&lock);
	any = settings || stored;
	pthread_mutex_unlock(&lock);
	return any;
}

void
component_rules_forget(void)
{
	replace(&settings, NULL);
	replace(&stored, NULL);
}

/* Privileges */

static unsigned
read_access(const char *word)
{
	return !strcmp(word, "both") ? COMPONENT_GET | COMPONENT_SET : !strcmp(word, "set") ? COMPONENT_SET : COMPONENT_GET;
}

/* A line: PRIVILEGE ACCESS, and for iq the namespace. */
static void
read_grant(struct component_rules *r, char *line)
{
	char *privilege = strsep(&line, " "), *access = strsep(&line, " ");

	if (!access)
		return;
	if (!strcmp(privilege, "roster"))
		r->roster = read_access(access);
	else if (!strcmp(privilege, "message"))
		r->message = true;
	else if (!strcmp(privilege, "presence"))
		r->presence = true;
	else if (!strcmp(privilege, "iq") && line)
		r->iq[r->niq++] = (struct component_iq){ .ns = line, .access = read_access(access) };
}

static void
read_grants(struct component_rules *r, const char *text)
{
	char *rest, *line;
	size_t n = 1;

	r->grants = mem_strdup(text);
	rest = r->words = mem_strdup(text);
	for (const char *s = text; *s; s++)
		n += *s == '\n';
	r->iq = mem_zalloc(n * sizeof(*r->iq));
	while ((line = strsep(&rest, "\n")))
		read_grant(r, line);
}

/* The settings */

static int
read_secret(const char *file, char out[COMPONENT_SECRET_MAX + 1], struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, out, COMPONENT_SECRET_MAX + 1);
	int code = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return err_set(e, code, "components.domains: %s: %s", file, strerror(code));
	while (n > 0 && strchr(" \t\r\n", out[n - 1]))
		n--;
	if (n < COMPONENT_SECRET_MIN || n > COMPONENT_SECRET_MAX)
		return err_set(e, 0, "components.domains: %s: a secret has %d to %d bytes", file, COMPONENT_SECRET_MIN, COMPONENT_SECRET_MAX);
	out[n] = '\0';
	if (strlen(out) != (size_t)n)
		return err_set(e, 0, "components.domains: %s: the secret is not text", file);
	return 0;
}

static int
read_item(struct row **table, const struct config *c, const char *item, struct err *e)
{
	const char *eq = strchr(item, '=');
	struct component_rules *rules;
	char domain[1024];
	int rc;

	if (!eq || jid_prepare_domain(item, (size_t)(eq - item), domain))
		return err_set(e, 0, "components.domains: %s: expected DOMAIN=FILE", item);
	if (is_ours(domain))
		return err_set(e, 0, "components.domains: %s is this server's own", domain);
	rules = make("");
	read_grants(rules, "");
	rc = read_secret(config_resolve_file((struct config *)c, eq + 1), rules->secret, e);
	if (!rc && !find(*table, domain))
		add(table, domain, rules);
	component_rules_unref(rules);
	return rc;
}

int
component_rules_read_settings(const struct config *c, struct err *e)
{
	struct row *table = NULL;

	for (size_t i = 0; i < c->components.domains.n; i++) {
		if (read_item(&table, c, c->components.domains.item[i], e)) {
			forget(table);
			return -1;
		}
	}
	replace(&settings, table);
	return 0;
}

/* The database */

unsigned
component_rules_iq(const struct component_rules *r, const char *ns)
{
	for (size_t i = 0; i < r->niq; i++)
		if (!strcmp(r->iq[i].ns, ns))
			return r->iq[i].access;
	return 0;
}

static void
read_row(struct row **table, const PGresult *rows, int i)
{
	struct component_rules *r = make(sql_text(rows, i, COMPONENT_NAME));
	char *domains = mem_strdup(sql_text(rows, i, COMPONENT_DOMAINS)), *rest = domains, *d;

	r->stored = true;
	r->enabled = sql_bool(rows, i, COMPONENT_ENABLED);
	r->keep = sql_bool(rows, i, COMPONENT_KEEP);
	r->kinds = (unsigned)sql_i64(rows, i, COMPONENT_KINDS);
	r->per_second = (uint64_t)sql_i64(rows, i, COMPONENT_PER_SECOND);
	read_grants(r, sql_text(rows, i, COMPONENT_GRANTS));
	snprintf(r->secret, sizeof(r->secret), "%s", sql_text(rows, i, COMPONENT_SECRET));
	while ((d = strsep(&rest, "\n"))) {
		if (*d && is_ours(d))
			log_error(NULL, "component-domain-ours", "component=%s domain=%s", r->name, d);
		else if (*d)
			add(table, d, r);
	}
	free(domains);
	component_rules_unref(r);
}

int
component_rules_read_stored(const char *conninfo, struct err *e)
{
	struct sql *db = sql_new(conninfo, "chanceryd components");
	struct row *table = NULL;
	PGresult *rows;
	enum sql_status st = sql_connect(db, CONNECT_MS, e);

	if (st == SQL_OK)
		st = component_store_read(db, NULL, &rows, e);
	if (st == SQL_OK) {
		for (int i = 0; i < PQntuples(rows); i++)
			read_row(&table, rows, i);
		PQclear(rows);
		replace(&stored, table);
	}
	sql_free(db);
	return st == SQL_OK ? 0 : err_prefix(e, "the components cannot be read");
}
