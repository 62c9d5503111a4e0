/*
 * partner_snapshot: partners as tables: by domain, and for *.domain. Made on the thread that loads, read by every home.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/federation/partner_priv.h"

/* A line each, to an array in the arena. */
static const char **
read_lines(struct arena *a, const char *text, size_t *n)
{
	const char **out;
	size_t lines = 1;

	*n = 0;
	if (*text == '\0')
		return NULL;
	for (const char *s = text; *s; s++)
		lines += *s == '\n';
	out = arena_alloc(a, lines * sizeof *out);
	for (const char *s = text;; s++) {
		size_t len = strcspn(s, "\n");

		out[(*n)++] = arena_strndup(a, s, len);
		s += len;
		if (*s == '\0')
			return out;
	}
}

static int
by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int
read_pins(struct arena *a, struct partner *p, const char *text)
{
	size_t n;
	const char **line = read_lines(a, text, &n);
	unsigned char (*pins)[CERT_PIN] = arena_alloc(a, (n + 1) * sizeof *pins);

	for (size_t i = 0; i < n; i++)
		if (cert_pin_read(line[i], pins[i]) != 0)
			return -1;
	p->pins = (const unsigned char (*)[CERT_PIN])pins;
	p->npins = n;
	return 0;
}

static int
read_hours(struct arena *a, struct partner *p, const char *text, struct err *e)
{
	unsigned char *bits = arena_alloc(a, PARTNER_HOURS);

	p->hours = bits;
	return partner_hours_read(text, bits, e);
}

static const struct partner_row *
find_same(const struct partners *s, const struct partner *p)
{
	const struct partner_row *r = NULL;

	if (s != NULL)
		HASH_FIND_STR(p->below ? s->below : s->exact, p->domain, r);
	return r;
}

/* Reading certificates costs; most are what they were. */
static int
read_ca(struct partner_row *r, const struct partner_row *was, struct err *e)
{
	if (r->ca_pem == NULL)
		return 0;
	if (was != NULL && was->ca_pem != NULL && strcmp(was->ca_pem, r->ca_pem) == 0)
		r->p.store = cert_store_ref(was->p.store);
	else
		r->p.store = cert_store_new(r->ca_pem, NULL, e);
	return r->p.store != NULL ? 0 : -1;
}

static uint64_t
version_of(const struct partner_row *r)
{
	int64_t v[2] = {r->p.id, r->changed_us};

	return crypt_hash(v, sizeof v);
}

static int
read_row(struct partners *s, struct partner_row *r, const PGresult *rows, int i, struct err *e)
{
	struct partner *p = &r->p;
	const char *domain = sql_text(rows, i, 1);
	const char **who;

	p->id = sql_i64(rows, i, 0);
	p->below = strncmp(domain, "*.", 2) == 0;
	p->domain = arena_strdup(s->arena, p->below ? domain + 2 : domain);
	p->direction = (unsigned)sql_i64(rows, i, 2);
	p->pass = (unsigned)sql_i64(rows, i, 3);
	p->trust = (enum cert_trust)sql_i64(rows, i, 4);
	r->ca_pem = sql_is_null(rows, i, 5) ? NULL : arena_strdup(s->arena, sql_text(rows, i, 5));
	p->dialback = sql_bool(rows, i, 7);
	who = read_lines(s->arena, sql_text(rows, i, 8), &p->nwho);
	if (p->nwho > 0)
		qsort(who, p->nwho, sizeof *who, by_text);
	p->who = who;
	p->per_minute = (uint64_t)sql_i64(rows, i, 9);
	p->user_per_minute = (uint64_t)sql_i64(rows, i, 10);
	p->owner = arena_strdup(s->arena, sql_text(rows, i, 12));
	p->reason = arena_strdup(s->arena, sql_text(rows, i, 13));
	p->expires_us = sql_i64(rows, i, 14);
	r->changed_us = sql_i64(rows, i, 15);
	if (read_pins(s->arena, p, sql_text(rows, i, 6)) != 0)
		return err_set(e, 0, "a pin is not one");
	return sql_is_null(rows, i, 11) ? 0 : read_hours(s->arena, p, sql_text(rows, i, 11), e);
}

/* -1: it is of no use. */
static int
add_row(struct partners *s, const struct partners *old, const PGresult *rows, int i, struct err *e)
{
	struct partner_row *r = arena_zalloc(s->arena, sizeof *r);
	const struct partner_row *was;

	if (read_row(s, r, rows, i, e) != 0)
		return -1;
	was = find_same(old, &r->p);
	if (read_ca(r, was, e) != 0)
		return -1;
	r->p.version = version_of(r);
	r->since = was != NULL && was->p.version == r->p.version ? was->since : s->serial;
	if (r->p.below)
		HASH_ADD_KEYPTR(hh, s->below, r->p.domain, strlen(r->p.domain), r);
	else
		HASH_ADD_KEYPTR(hh, s->exact, r->p.domain, strlen(r->p.domain), r);
	s->n++;
	return 0;
}

struct partners *
partners_new(const PGresult *rows, const struct partners *old)
{
	struct partners *s = NEW(struct partners);

	atomic_init(&s->refs, 1);
	s->arena = arena_new(0);
	s->serial = old != NULL ? old->serial + 1 : 1;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct err e = {0};

		/* It stays refused, which is safe; whoever wrote it past us has to hear of it. */
		if (add_row(s, old, rows, i, &e) != 0)
			log_error(NULL, "partner-unusable", "domain=%s why=%s", sql_text(rows, i, 1), e.text);
	}
	return s;
}

struct partners *
partners_ref(struct partners *s)
{
	if (s != NULL)
		atomic_fetch_add(&s->refs, 1);
	return s;
}

static void
release_stores(struct partner_row *table)
{
	for (struct partner_row *r = table; r != NULL; r = r->hh.next)
		if (r->p.store != NULL)
			cert_store_unref(r->p.store);
}

void
partners_unref(struct partners *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	release_stores(s->exact);
	release_stores(s->below);
	HASH_CLEAR(hh, s->exact);
	HASH_CLEAR(hh, s->below);
	arena_free(s->arena);
	free(s);
}

/* The longest name wins; the whole one is not below itself. */
const struct partner_row *
partners_find(const struct partners *s, const char *domain)
{
	const struct partner_row *r = NULL;

	HASH_FIND_STR(s->exact, domain, r);
	if (s->below == NULL || *domain == '[')
		return r;
	for (const char *dot = strchr(domain, '.'); r == NULL && dot != NULL; dot = strchr(dot + 1, '.'))
		HASH_FIND_STR(s->below, dot + 1, r);
	return r;
}

const char *
partner_row_rests(const struct partner_row *r, int64_t now_us, unsigned hour)
{
	if (r->p.expires_us != 0 && r->p.expires_us <= now_us)
		return "its entry has expired";
	if (r->p.hours != NULL && !partner_hours_has(r->p.hours, hour))
		return "it is outside the hours of its entry";
	return NULL;
}
