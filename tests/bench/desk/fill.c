/*
 * desk-fill: fills an empty record with as many records as are asked for, over the months until now, by COPY: with the salt, leaf hash and
 * index columns that the server would have given them. For measurements of the compliance desk (tests/bench/desk.py, which starts it).
 *
 *     bench_desk_fill CONNINFO DOMAIN RECORDS [MONTHS [PEOPLE [ROOMS]]]
 *
 * The connection is a superuser's, the server is not running, and what there is of a record and its log goes.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "chance.h"
#include "store/leaf.h"
#include "story.h"

#define SECOND_US UINT64_C(1000000)
#define MONTH_SECONDS (30.44 * 86400)
#define SEND_BYTES 262144

static PGconn *db;

static void
die(const char *why)
{
	fprintf(stderr, "desk-fill: %s\n", why);
	exit(1);
}

static void
run(const char *sql)
{
	PGresult *r = PQexec(db, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die(PQerrorMessage(db));
	PQclear(r);
}

static void __attribute__((format(printf, 1, 2)))
runf(const char *fmt, ...)
{
	char sql[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	run(sql);
}

/* Partitions, log and index go: they are made anew, as by a server that starts for the first time. */
static void
clear(void)
{
	run("SET client_min_messages = warning; SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET ROLE chancery_owner");
	run("DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'archive.record'::regclass LOOP"
		" EXECUTE format('DROP TABLE %s', p); END LOOP; END $$");
	run("TRUNCATE archive.tile, archive.checkpoint, archive.checkpoint_stamp, archive.verification, archive.log_key, compliance.retention_note");
	run("SELECT search.reset(0)");
}

struct month {
	struct tm tm;       /* its first day */
	uint64_t from, end; /* ids */
	char name[40];
};

static uint64_t
us_of(struct tm tm)
{
	return (uint64_t)timegm(&tm) * SECOND_US;
}

static void
month_of(struct month *m, int year, int month)
{
	m->tm = (struct tm){ .tm_year = year + month / 12, .tm_mon = month % 12, .tm_mday = 1 };
	m->from = us_of(m->tm);
	m->end = us_of((struct tm){ .tm_year = year + (month + 1) / 12, .tm_mon = (month + 1) % 12, .tm_mday = 1 });
	snprintf(m->name, sizeof(m->name), "record_%04d_%02d", m->tm.tm_year + 1900, m->tm.tm_mon + 1);
}

/* The server's own statement, for a table that has been made in this transaction: its rows need no second look. */
static void
begin_copy(const struct month *m)
{
	const char *columns = strchr(leaf_copy_sql, '('), *end = strstr(leaf_copy_sql, " FROM STDIN");
	char sql[1024];
	PGresult *r;

	snprintf(sql, sizeof(sql), "COPY archive.%s %.*s FROM STDIN WITH (FORMAT binary, FREEZE)", m->name, (int)(end - columns), columns);
	r = PQexec(db, sql);
	if (PQresultStatus(r) != PGRES_COPY_IN)
		die(PQerrorMessage(db));
	PQclear(r);
}

static void
send_copy(struct buf *b, size_t least)
{
	if (buf_len(b) <= least)
		return;
	if (PQputCopyData(db, buf_data(b), (int)buf_len(b)) != 1)
		die(PQerrorMessage(db));
	buf_clear(b);
}

static void
end_copy(struct buf *b)
{
	PGresult *r;

	leaf_copy_end(b);
	send_copy(b, 0);
	if (PQputCopyEnd(db, NULL) != 1)
		die(PQerrorMessage(db));
	while ((r = PQgetResult(db))) {
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die(PQerrorMessage(db));
		PQclear(r);
	}
}

struct filling {
	struct story *story;
	struct leaf_hasher *hasher;
	struct chance salts;
	struct buf copy;
	uint64_t first, every, records; /* ids from there on, so far from each other at most */
	uint64_t next;
};

static uint64_t
id_at(const struct filling *f, uint64_t index)
{
	return f->first + index * f->every + chance_mix(index) % f->every;
}

static void
fill_month(struct filling *f, const struct month *m)
{
	uint8_t leaf[SHA256_SIZE];
	uint64_t salt[2];
	struct leaf_record r;

	leaf_copy_begin(&f->copy);
	for (; f->next < f->records && id_at(f, f->next) < m->end; f->next++) {
		salt[0] = chance_next(&f->salts);
		salt[1] = chance_next(&f->salts);
		story_tell(f->story, id_at(f, f->next), f->next, &r);
		leaf_copy_row(f->hasher, &f->copy, &r, (const uint8_t *)salt, leaf);
		send_copy(&f->copy, SEND_BYTES);
	}
	end_copy(&f->copy);
}

static void
make_month(struct filling *f, const struct month *m)
{
	uint64_t from = f->next;
	time_t begun = time(NULL);

	run("BEGIN");
	runf("CREATE TABLE archive.%s (LIKE archive.record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", m->name);
	begin_copy(m);
	fill_month(f, m);
	runf("CREATE UNIQUE INDEX %s_log_index ON archive.%s (log_index)", m->name, m->name);
	runf("ALTER TABLE archive.record ATTACH PARTITION archive.%s FOR VALUES FROM (%" PRIu64 ") TO (%" PRIu64 ")", m->name, m->from, m->end);
	run("COMMIT");
	printf("%s: %" PRIu64 " records in %ld s\n", m->name, f->next - from, (long)(time(NULL) - begun));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct filling f = { .salts = { UINT64_C(1) << 63 } };
	double months = argc > 4 ? atof(argv[4]) : 18;
	uint64_t end = ((uint64_t)time(NULL) - 3600) * SECOND_US;
	struct month m;
	struct tm tm;
	time_t first;

	if (argc < 4)
		die("CONNINFO DOMAIN RECORDS [MONTHS [PEOPLE [ROOMS]]]");
	f.records = strtoull(argv[3], NULL, 10);
	f.first = end - (uint64_t)(months * MONTH_SECONDS) * SECOND_US;
	f.every = (end - f.first) / (f.records ? f.records : 1);
	if (!f.every)
		die("more than one record in a microsecond");
	db = PQconnectdb(argv[1]);
	if (PQstatus(db) != CONNECTION_OK)
		die(PQerrorMessage(db));
	clear();
	f.story = story_new(argv[2], argc > 5 ? (uint32_t)atoi(argv[5]) : 2000, argc > 6 ? (uint32_t)atoi(argv[6]) : 200);
	f.hasher = leaf_hasher_new();
	first = (time_t)(f.first / SECOND_US);
	gmtime_r(&first, &tm);
	for (int i = tm.tm_mon; f.next < f.records; i++) {
		month_of(&m, tm.tm_year, i);
		make_month(&f, &m);
	}
	run("RESET ROLE; ANALYZE archive.record");
	/* Nothing of it is to be delivered any more. */
	run("UPDATE chancery.delivery_mark SET mark = (SELECT max(id) FROM archive.record)");
	run("UPDATE chancery.outbox SET mark = (SELECT max(id) FROM archive.record)");
	leaf_hasher_free(f.hasher);
	story_free(f.story);
	buf_fini(&f.copy);
	PQfinish(db);
	return 0;
}
