/*
 * metric: the cells behind the table of metric.h.
 *
 * Relaxed atomics: a reading is a picture of about now, nothing is ordered by it. Each cell has a
 * cache line of its own, so that reactors counting different things do not slow each other.
 */
#include "base/metric.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"

/* Upper bounds 1, 2, 4 … 2^26 (67 s in microseconds), then +Inf. */
#define BUCKETS 28
#define ERRORS 256

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct {
	enum kind kind;
	const char *name, *help;
} table[METRIC_COUNT] = {
#define METRIC_ROW(id, k, n, h) [METRIC_##id] = {k, n, h},
	METRIC_TABLE(METRIC_ROW)
#undef METRIC_ROW
};

struct cell {
	_Alignas(64) _Atomic int64_t value; /* of a histogram: the sum of what was observed */
	_Atomic uint64_t *buckets;
};

enum {
#define METRIC_HISTOGRAM_COUNTER(id)
#define METRIC_HISTOGRAM_GAUGE(id)
#define METRIC_HISTOGRAM_HISTOGRAM(id) HISTOGRAM_##id,
#define METRIC_SLOT(id, kind, name, help) METRIC_HISTOGRAM_##kind(id)
	METRIC_TABLE(METRIC_SLOT)
#undef METRIC_SLOT
#undef METRIC_HISTOGRAM_HISTOGRAM
		HISTOGRAM_COUNT
};

static _Atomic uint64_t buckets[HISTOGRAM_COUNT][BUCKETS];

static struct cell cells[METRIC_COUNT] = {
#define METRIC_HISTOGRAM_HISTOGRAM(id) [METRIC_##id] = {.buckets = buckets[HISTOGRAM_##id]},
#define METRIC_CELL(id, kind, name, help) METRIC_HISTOGRAM_##kind(id)
	METRIC_TABLE(METRIC_CELL)};

/* What is counted by two labels. */
enum family { FAMILY_ERRORS, FAMILY_FILES, FAMILIES };

static const struct {
	const char *name, *first, *second, *help;
} families[FAMILIES] = {
	[FAMILY_ERRORS] = {"chancery_errors_total", "scope", "condition", "Errors sent by us, by scope and condition"},
	[FAMILY_FILES] = {"chancery_files_total", "path", "verdict", "Files judged, by the way they came and the verdict"},
};

/* Errors by condition, and the like. A row is written under the lock and then never changes; `errors_n` tells
 * readers which rows are complete. Rows of equal text in different static strings share a
 * counter, as a name may appear once only in the output. */
struct error_row {
	enum family family;
	const char *scope, *condition;
	size_t cell; /* the row whose counter counts; itself, as a rule */
	_Atomic uint64_t count;
};

static struct error_row errors[ERRORS];
static _Atomic size_t errors_n;
static _Atomic uint64_t errors_other; /* when the table is full */
static pthread_mutex_t errors_lock = PTHREAD_MUTEX_INITIALIZER;

void
metric_add(enum metric m, int64_t n)
{
	atomic_fetch_add_explicit(&cells[m].value, n, memory_order_relaxed);
}

void
metric_set(enum metric m, int64_t v)
{
	atomic_store_explicit(&cells[m].value, v, memory_order_relaxed);
}

/* The first bucket whose bound is at least v. */
static unsigned
bucket_of(uint64_t v)
{
	unsigned i = v <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(v - 1);

	return i < BUCKETS - 1 ? i : BUCKETS - 1;
}

void
metric_observe(enum metric m, uint64_t v)
{
	atomic_fetch_add_explicit(&cells[m].buckets[bucket_of(v)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cells[m].value, (int64_t)v, memory_order_relaxed);
}

int64_t
metric_get(enum metric m)
{
	uint64_t n = 0;

	if (table[m].kind != HISTOGRAM)
		return atomic_load_explicit(&cells[m].value, memory_order_relaxed);
	for (unsigned i = 0; i < BUCKETS; i++)
		n += atomic_load_explicit(&cells[m].buckets[i], memory_order_relaxed);
	return (int64_t)n;
}

static struct error_row *
error_find(enum family f, const char *scope, const char *condition)
{
	size_t n = atomic_load_explicit(&errors_n, memory_order_acquire);

	for (size_t i = 0; i < n; i++)
		if (errors[i].family == f && errors[i].scope == scope && errors[i].condition == condition)
			return &errors[errors[i].cell];
	return NULL;
}

/* With the lock held. NULL when the table is full. */
static struct error_row *
error_insert(enum family f, const char *scope, const char *condition)
{
	size_t n = atomic_load_explicit(&errors_n, memory_order_relaxed);
	size_t i;

	if (n == ERRORS)
		return NULL;
	for (i = 0; i < n; i++)
		if (errors[i].family == f && !strcmp(errors[i].scope, scope) && !strcmp(errors[i].condition, condition))
			break;
	errors[n].family = f;
	errors[n].scope = scope;
	errors[n].condition = condition;
	errors[n].cell = i < n ? errors[i].cell : n;
	atomic_store_explicit(&errors_n, n + 1, memory_order_release);
	return &errors[errors[n].cell];
}

static void
count(enum family f, const char *scope, const char *condition)
{
	struct error_row *row = error_find(f, scope, condition);

	if (!row) {
		pthread_mutex_lock(&errors_lock);
		row = error_find(f, scope, condition);
		if (!row)
			row = error_insert(f, scope, condition);
		pthread_mutex_unlock(&errors_lock);
	}
	atomic_fetch_add_explicit(row ? &row->count : &errors_other, 1, memory_order_relaxed);
}

void
metric_error(const char *scope, const char *condition)
{
	count(FAMILY_ERRORS, scope, condition);
}

void
metric_file(const char *path, const char *verdict)
{
	count(FAMILY_FILES, path, verdict);
}

static void
print_histogram(enum metric m, struct buf *out)
{
	const char *name = table[m].name;
	int64_t sum = atomic_load_explicit(&cells[m].value, memory_order_relaxed);
	uint64_t n = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		n += atomic_load_explicit(&cells[m].buckets[i], memory_order_relaxed);
		if (i < BUCKETS - 1)
			buf_addf(out, "%s_bucket{le=\"%lu\"} %" PRIu64 "\n", name, 1UL << i, n);
		else
			buf_addf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, n);
	}
	buf_addf(out, "%s_sum %" PRId64 "\n%s_count %" PRIu64 "\n", name, sum, name, n);
}

static void
print_family(enum family f, struct buf *out)
{
	size_t n = atomic_load_explicit(&errors_n, memory_order_acquire);
	uint64_t other = atomic_load_explicit(&errors_other, memory_order_relaxed);

	buf_addf(out, "# HELP %s %s\n# TYPE %s counter\n", families[f].name, families[f].help, families[f].name);
	for (size_t i = 0; i < n; i++)
		if (errors[i].family == f && errors[i].cell == i)
			buf_addf(out, "%s{%s=\"%s\",%s=\"%s\"} %" PRIu64 "\n", families[f].name, families[f].first, errors[i].scope,
				 families[f].second, errors[i].condition, atomic_load_explicit(&errors[i].count, memory_order_relaxed));
	if (f == FAMILY_ERRORS && other)
		buf_addf(out, "%s{%s=\"other\",%s=\"other\"} %" PRIu64 "\n", families[f].name, families[f].first, families[f].second, other);
}

void
metric_print(struct buf *out)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	for (unsigned m = 0; m < METRIC_COUNT; m++) {
		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", table[m].name, table[m].help,
			 table[m].name, kinds[table[m].kind]);
		if (table[m].kind == HISTOGRAM)
			print_histogram(m, out);
		else
			buf_addf(out, "%s %" PRId64 "\n", table[m].name, metric_get(m));
	}
	for (enum family f = 0; f < FAMILIES; f++)
		print_family(f, out);
}
