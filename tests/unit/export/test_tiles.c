/* Tiles of the log that are read ahead for the proof, by the second connection: each at which something is exported and something is not. Nodes are as the reader finds
 * them alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/export_store.h"
#include "export/source.h"
#include "lib/pg.h"

#define SIZE (MERKLE_TILE_WIDTH * MERKLE_TILE_WIDTH)
#define PATIENCE_MS 60000
#define TILES "SELECT 0, t, string_agg(sha256(int8send(t * 256 + i)), '' ORDER BY i), sha256(int8send(-t))" \
	" FROM generate_series(0, 255) t, generate_series(0, 255) i GROUP BY t"

static struct pg *pg;
static struct sql *blind, *ahead, *plain;
static char dir[] = "/tmp/chancery-tiles-XXXXXX";
static int folder;
static struct err e;

static struct sql *
connection(const char *role)
{
	struct sql *db = sql_new(pg_conninfo(pg, role), "tiles");

	sql_skip_durability(db);
	assert_int_equal(sql_connect(db, PATIENCE_MS, &e), SQL_OK);
	sql_set_deadline(db, PATIENCE_MS);
	return db;
}

/* A tree of full tiles. Whoever is `blind` does not see those of the lowest level. */
static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	pg_exec(pg, "INSERT INTO archive.tile " TILES);
	pg_exec(pg, "INSERT INTO archive.tile SELECT 1, 0, string_agg(root, '' ORDER BY index), sha256('') FROM archive.tile");
	pg_exec(pg, "ALTER TABLE archive.tile ENABLE ROW LEVEL SECURITY");
	pg_exec(pg, "CREATE POLICY high ON archive.tile FOR SELECT TO chancery_export USING (level > 0)");
	folder = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	assert_true(folder >= 0);
	blind = connection("chancery_export");
	ahead = connection("postgres");
	plain = connection("postgres");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	sql_free(blind);
	sql_free(ahead);
	sql_free(plain);
	(void)unlinkat(folder, SOURCE_SELECTION, 0);
	(void)close(folder);
	(void)rmdir(dir);
	pg_free(pg);
	return 0;
}

static void
add(struct order *o, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(order_add(o, &(struct order_entry){ .id = i + 1, .log_index = i }, &e), 0);
}

/* Tiles that are exported whole, some of which pages end at; a few of each; none; and one in each of more tiles than are read at once. */
static struct export_source *
source(void)
{
	struct source_settings set = { .db = blind, .ahead = ahead, .dir = folder, .vault = "" };
	struct order *o = order_new(folder, SOURCE_SELECTION, &e);
	struct export_source *s;

	assert_non_null(o);
	add(o, 0, MERKLE_TILE_WIDTH);
	add(o, 300, 302);
	add(o, 511, 1024);
	for (uint64_t t = 6; t < 200; t++)
		add(o, t * MERKLE_TILE_WIDTH + t, t * MERKLE_TILE_WIDTH + t + t % 3);
	add(o, 201 * MERKLE_TILE_WIDTH, 205 * MERKLE_TILE_WIDTH - 1);
	add(o, SIZE - 1, SIZE);
	assert_int_equal(order_end(o, false, &e), 0);
	s = source_new(&set, &e);
	assert_non_null(s);
	return s;
}

/* The nodes between two records: as a reader finds them that sees all. -1: `given` has not found one. */
static int
look(struct log_reader *given, struct log_reader *alone, uint64_t from, uint64_t to)
{
	struct merkle_gap g = { from, to };
	uint8_t one[MERKLE_HASH], other[MERKLE_HASH];
	uint64_t index;
	int level;

	while (merkle_gap_next(&g, &level, &index)) {
		if (log_reader_node(given, level, index, one))
			return -1;
		assert_int_equal(log_reader_node(alone, level, index, other), 0);
		assert_memory_equal(one, other, MERKLE_HASH);
	}
	return 0;
}

static int
walk(struct export_source *s, struct log_reader *given)
{
	struct log_reader *alone = log_reader_new(plain, SIZE);
	struct order_entry entry[SOURCE_PAGE];
	uint64_t total, at = 0, next = 0;
	int fd = order_open(folder, SOURCE_SELECTION, &total, &e), rc = 0;

	assert_true(fd >= 0);
	while (!rc && at < total) {
		long n = order_read(fd, at, entry, SOURCE_PAGE, &e);

		assert_true(n > 0);
		for (long i = 0; i < n && !rc; i++, at++) {
			assert_int_equal(source_give_tile(s, given, at, entry[i].log_index, SIZE, &e), 0);
			rc = look(given, alone, next, entry[i].log_index);
			next = entry[i].log_index + 1;
		}
	}
	if (!rc)
		rc = look(given, alone, next, SIZE);
	source_end_tiles(s);
	(void)close(fd);
	log_reader_free(alone);
	return rc;
}

static void
given(void **state)
{
	struct export_source *s = source();
	uint8_t out[MERKLE_HASH];

	(void)state;
	/* Twice, as an export does that finds that records were erased meanwhile. */
	for (int i = 0; i < 2; i++) {
		struct log_reader *r = log_reader_new(blind, SIZE);

		assert_int_equal(log_reader_node(r, 0, 300, out), -1);
		assert_int_equal(walk(s, r), 0);
		log_reader_free(r);
	}
	source_free(s);
}

/* Given up in the middle, and begun again. */
static void
given_up(void **state)
{
	struct export_source *s = source();
	struct log_reader *r = log_reader_new(blind, SIZE);

	(void)state;
	assert_int_equal(source_give_tile(s, r, MERKLE_TILE_WIDTH, 300, SIZE, &e), 0);
	source_end_tiles(s);
	assert_int_equal(walk(s, r), 0);
	assert_int_equal(source_give_tile(s, r, 0, 0, SIZE, &e), 0);
	source_free(s);
	log_reader_free(r);
}

/* One that is not there is asked for by the reader itself, which says so. */
static void
gone(void **state)
{
	struct export_source *s = source();
	struct log_reader *r = log_reader_new(blind, SIZE);

	(void)state;
	pg_exec(pg, "DELETE FROM archive.tile WHERE level = 0 AND index = 100");
	assert_int_equal(walk(s, r), -1);
	assert_non_null(strstr(log_reader_err(r)->text, "the log lacks hashes of level 0 from 25600 on"));
	source_free(s);
	log_reader_free(r);
}

/* The connection is lost: an error, which another attempt may mend. */
static void
lost(void **state)
{
	struct export_source *s = source();
	struct log_reader *r = log_reader_new(blind, SIZE);

	(void)state;
	assert_false(source_is_lost(s));
	pg_exec(pg, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'tiles' AND usename = 'postgres'");
	assert_int_equal(source_give_tile(s, r, MERKLE_TILE_WIDTH, 300, SIZE, &e), -1);
	assert_true(source_is_lost(s));
	source_free(s);
	log_reader_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(given),
		cmocka_unit_test(given_up),
		cmocka_unit_test(gone),
		cmocka_unit_test(lost),
	};

	return cmocka_run_group_tests_name("tiles", tests, start, stop);
}
