/*
 * gateway_rules: one table, by domain, replaced as a whole under a mutex.
 */
#include "core/gateway/gateway_rules.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/gateway_store.h"

#define CONNECT_MS 10000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, loading = PTHREAD_MUTEX_INITIALIZER;
static struct gateway **table; /* under lock */
static size_t ngateways;
static atomic_bool any;

static const char *const right_names[] = { "send", "receive", "send-file", "receive-file", "join", "own-account", NULL };

const char *
gateway_right_name(unsigned n)
{
	return n < sizeof(right_names) / sizeof(right_names[0]) ? right_names[n] : NULL;
}

unsigned
gateway_right_find(const char *name)
{
	for (unsigned i = 0; right_names[i]; i++)
		if (!strcmp(right_names[i], name))
			return 1U << i;
	return 0;
}

struct gateway *
gateway_ref(struct gateway *g)
{
	atomic_fetch_add(&g->refs, 1);
	return g;
}

void
gateway_unref(struct gateway *g)
{
	if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	crypt_wipe((char *)(uintptr_t)g->secret, strlen(g->secret));
	free(g->words);
	free(g->rule);
	free(g);
}

bool
gateway_any(void)
{
	return atomic_load_explicit(&any, memory_order_relaxed);
}

struct gateway *
gateway_get(const char *domain)
{
	struct gateway *found = NULL;

	if (!gateway_any())
		return NULL;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ngateways && !found; i++)
		if (!strcmp(table[i]->domain, domain))
			found = gateway_ref(table[i]);
	pthread_mutex_unlock(&lock);
	return found;
}

bool
gateway_is(const char *domain)
{
	struct gateway *g = gateway_get(domain);

	gateway_unref(g);
	return g;
}

void
gateway_each(void (*fn)(void *arg, struct gateway *g), void *arg)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ngateways; i++)
		fn(arg, table[i]);
	pthread_mutex_unlock(&lock);
}

static void
replace(struct gateway **with, size_t n)
{
	struct gateway **old;
	size_t nold;

	pthread_mutex_lock(&lock);
	old = table;
	nold = ngateways;
	table = with;
	ngateways = n;
	atomic_store(&any, n > 0);
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < nold; i++)
		gateway_unref(old[i]);
	free(old);
}

/* Who may */

static bool
is_in(const char *groups, const char *group)
{
	size_t n = strlen(group), len;

	if (!strcmp(group, GATEWAY_EVERYONE))
		return true;
	for (const char *s = groups; *s; s += len + (s[len] == '\n')) {
		len = strcspn(s, "\n");
		if (len == n && !memcmp(s, group, n))
			return true;
	}
	return false;
}

unsigned
gateway_rights(const struct gateway *g, const char *groups, uint64_t *per_minute)
{
	unsigned rights = 0;
	uint64_t most = 0;

	for (size_t i = 0; i < g->nrules; i++) {
		const struct gateway_rule *r = &g->rule[i];

		if (!is_in(groups, r->group))
			continue;
		if (!r->allowed)
			return 0;
		rights |= r->rights;
		if (r->per_minute > most)
			most = r->per_minute;
	}
	if (per_minute)
		*per_minute = most;
	return rights;
}

bool
gateway_gives_everyone(const struct gateway *g, unsigned right)
{
	bool gives = false;

	for (size_t i = 0; i < g->nrules; i++) {
		if (!g->rule[i].allowed)
			return false;
		if (!strcmp(g->rule[i].group, GATEWAY_EVERYONE))
			gives = (g->rule[i].rights & right) == right;
	}
	return gives;
}

/* The database */

/* A text of its own in `words`: where it begins. */
static size_t
add_word(struct buf *words, const char *s)
{
	size_t at = buf_len(words);

	buf_add(words, s, strlen(s) + 1);
	return at;
}

/* A line: ALLOWED RIGHTS PER_MINUTE GROUP. */
static void
read_rule(struct gateway_rule *r, char *line)
{
	char *allowed = strsep(&line, " "), *rights = strsep(&line, " "), *per_minute = strsep(&line, " ");
	uint64_t bits = 0;

	r->group = line ? line : "";
	r->allowed = *allowed == 't';
	if (rights && text_u64(rights, strlen(rights), 0, GATEWAY_RIGHTS, &bits))
		r->rights = (unsigned)bits;
	if (per_minute)
		(void)text_u64(per_minute, strlen(per_minute), 0, UINT32_MAX, &r->per_minute);
}

static void
read_rules(struct gateway *g, char *text)
{
	size_t n = 1;
	char *line;

	for (const char *s = text; *s; s++)
		n += *s == '\n';
	g->rule = mem_zalloc(n * sizeof(*g->rule));
	while (*text && (line = strsep(&text, "\n"))) {
		read_rule(&g->rule[g->nrules++], line);
		if (!text)
			break;
	}
}

static struct gateway *
read_row(const PGresult *rows, int i)
{
	static const enum gateway_column columns[] = { GATEWAY_NAME, GATEWAY_KIND, GATEWAY_DOMAIN, GATEWAY_SETTINGS, GATEWAY_SECRET, GATEWAY_RULES };
	struct gateway *g = NEW(struct gateway);
	struct buf words = { 0 };
	size_t at[6];

	for (int k = 0; k < 6; k++)
		at[k] = add_word(&words, sql_text(rows, i, (int)columns[k]));
	g->words = mem_alloc(buf_len(&words));
	memcpy(g->words, buf_data(&words), buf_len(&words));
	crypt_wipe(words.data, words.cap);
	buf_fini(&words);
	atomic_init(&g->refs, 1);
	g->on = sql_bool(rows, i, GATEWAY_ENABLED);
	g->name = g->words + at[0];
	g->kind = g->words + at[1];
	g->domain = g->words + at[2];
	g->settings = g->words + at[3];
	g->secret = g->words + at[4];
	read_rules(g, g->words + at[5]);
	return g;
}

static int
read_all(struct sql *db, struct err *e)
{
	struct gateway **list;
	PGresult *rows;
	int n;

	if (sql_connect(db, CONNECT_MS, e) != SQL_OK || gateway_store_read(db, NULL, &rows, e) != SQL_OK)
		return err_prefix(e, "the gateways cannot be read");
	n = PQntuples(rows);
	list = mem_zalloc(((size_t)n + 1) * sizeof(*list));
	for (int i = 0; i < n; i++)
		list[i] = read_row(rows, i);
	PQclear(rows);
	replace(list, (size_t)n);
	return 0;
}

/* One after the other: what was read later is what is in force. */
int
gateway_rules_read(const char *conninfo, struct err *e)
{
	struct sql *db = sql_new(conninfo, "chanceryd gateways");
	int rc;

	pthread_mutex_lock(&loading);
	rc = read_all(db, e);
	pthread_mutex_unlock(&loading);
	sql_free(db);
	return rc;
}

void
gateway_rules_forget(void)
{
	replace(NULL, 0);
}
