/*
 * source: groups, pages, files.
 */
#include "export/source.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "export/source_priv.h"

#define STEM_NAME 64
#define DAY_US INT64_C(86400000000)

struct export_source *
source_new(const struct source_settings *set, struct err *e)
{
	struct export_source *s = NEW(struct export_source);

	s->set = *set;
	s->order = -1;
	s->turn = arena_new(16384);
	s->ahead = source_ahead_new(set->ahead);
	s->selection = order_open(set->dir, SOURCE_SELECTION, &s->records, e);
	if (s->selection >= 0)
		return s;
	source_free(s);
	return NULL;
}

static void
clear_page(struct export_source *s)
{
	source_page_clear(&s->page);
	source_forget_aims(s);
}

static void
close_order(struct export_source *s)
{
	source_ahead_rest(s->ahead);
	if (s->order >= 0)
		(void)close(s->order);
	s->order = -1;
	clear_page(s);
}

void
source_free(struct export_source *s)
{
	if (!s)
		return;
	close_order(s);
	source_ahead_free(s->ahead);
	if (s->selection >= 0)
		(void)close(s->selection);
	source_forget_names(s);
	source_forget_files(s);
	source_forget_targets(s);
	arena_free(s->turn);
	free(s);
}

uint64_t
source_records(const struct export_source *s)
{
	return s->records;
}

uint64_t
source_erased(const struct export_source *s)
{
	return s->erased;
}

void
source_count_anew(struct export_source *s)
{
	s->erased = 0;
}

void
source_set_want(struct export_source *s, enum source_want want)
{
	s->want = want;
}

bool
source_is_lost(const struct export_source *s)
{
	return !sql_is_connected(s->set.db) || source_ahead_is_lost(s->ahead);
}

int
source_count_erased(struct export_source *s, uint64_t *erased, struct err *e)
{
	struct order_entry entry[SOURCE_PAGE];
	uint64_t ids[SOURCE_PAGE], some;
	long n;

	*erased = 0;
	for (uint64_t at = 0; at < s->records; at += (uint64_t)n) {
		n = order_read(s->selection, at, entry, SOURCE_PAGE, e);
		if (n <= 0)
			return n < 0 ? -1 : err_set(e, 0, "the export's selection has become shorter");
		for (long i = 0; i < n; i++)
			ids[i] = entry[i].id;
		if (export_store_erased(s->set.db, ids, (size_t)n, &some, e) != SQL_OK)
			return -1;
		*erased += some;
	}
	return 0;
}

/* Pages */

static int
read_page(struct export_source *s, uint64_t from, struct err *e)
{
	struct source_wish w = { .fd = s->order, .from = from, .end = s->norder, .want = s->want };

	clear_page(s);
	if (source_ahead_take(s->ahead, &w, &s->page, e))
		return -1;
	if (s->want != SOURCE_FORMATS || !source_learn_names(s, e))
		return 0;
	clear_page(s);
	return -1;
}

/* Tiles */

int
source_give_tile(struct export_source *s, struct log_reader *log, uint64_t number, uint64_t log_index, uint64_t tree_size, struct err *e)
{
	uint64_t tile = log_index / MERKLE_TILE_WIDTH;
	struct source_wish w = { .fd = s->selection, .from = number, .end = s->records, .want = SOURCE_TILES, .tiles = merkle_tiles(0, tree_size) };

	if (number < s->page.from || number >= s->page.from + s->page.n) {
		clear_page(s);
		s->tile = 0;
		if (source_ahead_take(s->ahead, &w, &s->page, e))
			return -1;
	}
	while (s->tile < PQntuples(s->page.rows) && (uint64_t)sql_i64(s->page.rows, s->tile, TILE_INDEX) <= tile) {
		if ((uint64_t)sql_i64(s->page.rows, s->tile, TILE_INDEX) == tile)
			log_reader_give(log, tile, sql_text(s->page.rows, s->tile, TILE_HASHES));
		s->tile++;
	}
	return 0;
}

void
source_end_tiles(struct export_source *s)
{
	source_ahead_rest(s->ahead);
	clear_page(s);
}

/* Groups */

void
export_group_rewind(struct export_group *g)
{
	((struct source_group *)g)->at = 0;
}

void
export_group_seek(struct export_group *g, uint64_t number)
{
	((struct source_group *)g)->at = number;
}

int
export_group_next(struct export_group *g, const struct export_record **r, struct err *e)
{
	struct source_group *sg = (struct source_group *)g;
	struct export_source *s = sg->source;
	uint64_t number = sg->from + sg->at;

	if (sg->at == g->records)
		return 0;
	if ((number < s->page.from || number >= s->page.from + s->page.n || !s->page.n) && read_page(s, number, e))
		return -1;
	if (source_fill(s, (size_t)(number - s->page.from), e))
		return -1;
	s->erased += s->record.erased;
	if (s->set.tick)
		s->set.tick(s->set.tick_arg);
	sg->at++;
	*r = &s->record;
	return 1;
}

/* "2026-01-31-romeo-montague.example-juliet-capulet.example-0123456789abcdef": readable as far as it goes, and of its own by the hash. */
static const char *
make_stem(struct arena *a, const char *day, const char *name, const uint8_t hash[8])
{
	char text[STEM_NAME + 1], hex[17];
	size_t n = 0;

	for (const char *s = name; *s && n < STEM_NAME; s++) {
		if (isalnum((unsigned char)*s) || (*s == '.' && n && text[n - 1] != '.'))
			text[n++] = (char)tolower((unsigned char)*s);
		else if (n && text[n - 1] != '-')
			text[n++] = '-';
	}
	while (n && (text[n - 1] == '-' || text[n - 1] == '.'))
		n--;
	text[n] = '\0';
	text_hex(hash, 8, hex);
	return arena_printf(a, "%s%s%s%s%s", day, *day ? "-" : "", text, n ? "-" : "", hex);
}

static const char *
day_text(struct arena *a, int64_t us)
{
	char text[32];

	text[0] = '\0';
	clock_format(us, text);
	return arena_strndup(a, text, 10);
}

/* What the record just read says that its group is called; NULL: nothing. */
static const char *
name_in(const struct export_record *r, enum export_order order, const struct order_entry *first)
{
	struct order_entry x;

	if (order == EXPORT_BY_CONVERSATION)
		return *r->conversation ? r->conversation : NULL;
	for (int end = 0; end < 2; end++) {
		const char *bare = end ? r->to.bare : r->from.bare;

		if (!bare)
			continue;
		order_set_key(&x, bare, 0);
		if (order_same_group(&x, first))
			return bare;
	}
	return NULL;
}

/* Of its first record that is not erased, among those of the page. */
static int
name_group(struct source_group *g, const struct order_entry *first, struct err *e)
{
	struct export_source *s = g->source;
	size_t base = (size_t)(g->from - s->page.from), n = s->page.n - base;
	const char *name = NULL;

	if (n > g->group.records)
		n = (size_t)g->group.records;
	for (size_t i = 0; i < n && !name; i++) {
		if (source_fill(s, base + i, e))
			return -1;
		name = name_in(&s->record, g->group.order, first);
		if (name)
			g->group.conversation = arena_strdup(g->arena, name);
		g->group.place = s->record.place;
	}
	return 0;
}

static int
describe_group(struct source_group *g, const struct order_entry *first, struct err *e)
{
	struct export_source *s = g->source;

	g->group.conversation = g->group.day = "";
	g->group.first_index = first->log_index;
	if (g->group.order != EXPORT_BY_LOG) {
		if ((g->from < s->page.from || g->from >= s->page.from + s->page.n) && read_page(s, g->from, e))
			return -1;
		if (name_group(g, first, e))
			return -1;
		/* It may be said on the next page only. */
		if (!*g->group.conversation && s->page.from != g->from && (read_page(s, g->from, e) || name_group(g, first, e)))
			return -1;
	}
	if (g->group.order == EXPORT_BY_CONVERSATION)
		g->group.day = day_text(g->arena, (int64_t)be32toh(first->day) * DAY_US);
	g->group.stem = make_stem(g->arena, g->group.day, g->group.conversation, first->hash);
	return 0;
}

/* The entry behind the last one of the group that begins at `from`. */
static int
find_end(struct export_source *s, uint64_t from, struct order_entry *first, uint64_t *end, struct err *e)
{
	struct order_entry entry[SOURCE_PAGE];
	long n = order_read(s->order, from, entry, SOURCE_PAGE, e), i;

	*first = entry[0];
	for (*end = from; n > 0; n = order_read(s->order, *end, entry, SOURCE_PAGE, e)) {
		for (i = 0; i < n && order_same_group(&entry[i], first); i++)
			;
		*end += (uint64_t)i;
		if (i < n || *end >= s->norder)
			return 0;
	}
	return n < 0 ? -1 : err_set(e, 0, "the export's order has become shorter");
}

static int
each_group(struct export_source *s, struct source_group *g, int (*fn)(void *arg, struct export_group *g, struct err *e), void *arg, struct err *e)
{
	for (uint64_t end; g->from < s->norder; g->from = end) {
		struct order_entry first;

		if (find_end(s, g->from, &first, &end, e))
			return -1;
		g->at = 0;
		g->group.records = end - g->from;
		if (describe_group(g, &first, e) || fn(arg, &g->group, e))
			return -1;
		arena_reset(g->arena);
	}
	return 0;
}

int
source_each(struct export_source *s, enum export_order order, int (*fn)(void *arg, struct export_group *g, struct err *e), void *arg,
	struct err *e)
{
	struct source_group g = { .source = s, .group.order = order, .arena = arena_new(0) };
	int rc;

	close_order(s);
	s->order = source_order(s, order, &s->norder, e);
	rc = s->order < 0 ? -1 : 0;
	if (!rc)
		rc = each_group(s, &g, fn, arg, e);
	close_order(s);
	arena_free(g.arena);
	return rc;
}

/* Files */

static struct source_file *
find_file(const struct export_source *s, const uint8_t sha256[SHA256_SIZE])
{
	struct source_file *f;

	HASH_FIND(hh, s->files, sha256, SHA256_SIZE, f);
	return f;
}

bool
source_knows_file(const struct export_source *s, const uint8_t sha256[SHA256_SIZE])
{
	return find_file(s, sha256) != NULL;
}

void
source_note_file(struct export_source *s, const uint8_t sha256[SHA256_SIZE], const char *path, const char *why)
{
	struct source_file *f = find_file(s, sha256);

	if (f)
		return;
	f = NEW(struct source_file);
	memcpy(f->sha256, sha256, SHA256_SIZE);
	f->path = path ? mem_strdup(path) : NULL;
	f->why = why;
	HASH_ADD(hh, s->files, sha256, SHA256_SIZE, f);
}

int
source_open_content(struct export_source *s, const uint8_t sha256[SHA256_SIZE])
{
	char hex[2 * SHA256_SIZE + 1], *path = NULL;
	int fd;

	if (!*s->set.vault)
		return -1;
	text_hex(sha256, SHA256_SIZE, hex);
	if (asprintf(&path, "%s/%.2s/%s", s->set.vault, hex, hex + 2) < 0)
		mem_exhausted(sizeof(hex));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	free(path);
	return fd;
}

FILE *
source_scratch(struct export_source *s, struct err *e)
{
	int fd = openat(s->set.dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w+") : NULL;

	if (!f) {
		err_set(e, errno, "no scratch file for the export: %s", strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	}
	return f;
}

void
source_forget_files(struct export_source *s)
{
	struct source_file *f, *next;

	HASH_ITER(hh, s->files, f, next) {
		HASH_DEL(s->files, f);
		free(f->path);
		free(f);
	}
}

int
export_file_open(struct export_context *x, const struct export_file *f, struct err *e)
{
	int fd = f->path ? source_open_content(x->source, f->sha256) : -1;

	return fd >= 0 ? fd : err_set(e, errno, "a file that is exported is not there any more: %.80s", f->path ? f->path : f->name);
}

int
export_is_selected(struct export_context *x, uint64_t log_index, bool *selected, struct err *e)
{
	struct export_source *s = x->source;
	struct order_entry entry = {0};
	uint64_t lo = 0, hi = s->records;

	/* The selection is in the order of the log. */
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (order_read(s->selection, mid, &entry, 1, e) != 1)
			return -1;
		if (entry.log_index == log_index)
			break;
		if (entry.log_index < log_index)
			lo = mid + 1;
		else
			hi = mid;
	}
	*selected = lo < hi;
	return 0;
}

FILE *
export_scratch(struct export_context *x, struct err *e)
{
	return source_scratch(x->source, e);
}

char *
export_time(int64_t us, char out[32])
{
	time_t t = (time_t)(us / 1000000 - (us % 1000000 < 0));
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
	return out;
}
