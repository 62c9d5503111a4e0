/*
 * The archive writer in bad times: PostgreSQL frozen, killed, cut off between COMMIT and its answer, its
 * disk full. Whatever happens, each entry comes back once, in time, and the record agrees with what it was
 * told; the log stays dense and in order. By both ways (store/record_write.c) where a batch has few rows: as rows, and with the
 * argument `copied` as copies. They mostly wait, each with a PostgreSQL of its own, so ctest runs them side by side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/archive.h"

/* For what comes at once, or at the end of a patience of a second; machines are slow, sanitizers slower. */
#define WAIT_MS 30000

static struct pg *pg;

static void
nap(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

static void
assert_sound_on(struct pg *on, const struct test_entry *t, size_t n)
{
	const char *fault = test_archive_fault(on);

	if (!fault)
		fault = test_entries_fault(on, t, n);
	if (fault)
		fail_msg("%s", fault);
}

static void
begin(unsigned patience_ms, unsigned batch)
{
	struct record_settings s = {.conninfo = pg_conninfo(pg, "chancery_server"),
				    .patience_ms = patience_ms,
				    .batch_max = batch,
				    .waiting_max = 1000000,
				    .waiting_bytes_max = 1 << 30,
				    .silence_ms = 1000,
				    .copies = test_archive_copies};
	struct err e;

	pg_exec(pg, "TRUNCATE archive.record");
	if (record_start(&s, &e) != 0)
		fail_msg("%s", e.text);
}

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	return 0;
}

/* After a test that failed half-way, so that the next one has a chance. */
static int
tidy(void **state)
{
	(void)state;
	pg_thaw(pg);
	record_stop();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	pg_free(pg);
	return 0;
}

/* Entries come back at their patience while PostgreSQL hangs; what was in flight commits when it wakes up
 * and is then marked as returned. */
static void
frozen(void **state)
{
	struct test_entry *t = calloc(40, sizeof(*t));
	int back = 0;

	(void)state;
	begin(1000, 10);
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 0);
	assert_true(test_wait_open(0, WAIT_MS));
	pg_freeze(pg);
	for (unsigned i = 1; i < 30; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	assert_true(test_wait_open(0, WAIT_MS));
	for (int i = 1; i < 30; i++) {
		assert_int_equal(t[i].e.outcome, RECORD_REFUSED);
		assert_in_range(t[i].back_ms - t[i].sent_ms, 1000, 15000);
	}
	nap(3500);
	assert_false(record_is_up());
	for (unsigned i = 30; i < 40; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	pg_thaw(pg);
	assert_true(test_wait_open(0, WAIT_MS));
	assert_true(record_is_up());
	for (int i = 30; i < 40; i++)
		back += t[i].e.outcome == RECORD_COMMITTED;
	assert_int_equal(back, 10);
	/* What was in flight when it froze is in the record, and marked. */
	assert_in_range(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 7"), 1, 29);
	record_stop();
	assert_sound_on(pg, t, 40);
	free(t);
}

static void
hold_commits(bool hold)
{
	/* The commit is on disk, and then waits for a standby that does not exist. */
	pg_exec(pg, hold ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'" :
			   "ALTER SYSTEM RESET synchronous_standby_names");
	pg_exec(pg, "SELECT pg_reload_conf()");
	nap(300);
}

static void
cut_writer(void)
{
	pg_exec(pg, "SET synchronous_commit = local");
	pg_exec(pg,
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
		" 'chancery archive'");
}

/* Cut between COMMIT and its answer, in time: found, and committed once. */
static void
cut_after_commit(void **state)
{
	struct test_entry t[3];

	(void)state;
	begin(20000, 10);
	hold_commits(true);
	for (unsigned i = 0; i < 3; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	nap(500);
	assert_int_equal(test_open_entries(), 3);
	hold_commits(false);
	cut_writer();
	assert_true(test_wait_open(0, WAIT_MS));
	for (int i = 0; i < 3; i++)
		assert_int_equal(t[i].e.outcome, RECORD_COMMITTED);
	record_stop();
	assert_sound_on(pg, t, 3);
}

/* The same, but the senders were told no before it was known: returned, by the record as well. */
static void
cut_after_commit_and_patience(void **state)
{
	struct test_entry t[3];

	(void)state;
	begin(800, 10);
	hold_commits(true);
	for (unsigned i = 0; i < 3; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	assert_true(test_wait_open(0, WAIT_MS));
	hold_commits(false);
	cut_writer();
	record_stop();
	for (int i = 0; i < 3; i++)
		assert_int_equal(t[i].e.outcome, RECORD_REFUSED);
	assert_sound_on(pg, t, 3);
}

/* The stop comes while the link is made anew and nothing waits: there is no batch without rows. */
static void
stopped_while_linking(void **state)
{
	struct test_entry t;

	(void)state;
	for (int i = 0; i < 30; i++) {
		begin(1000, 10);
		test_submit(&t, "romeo@example.org", "juliet@example.org", 0);
		assert_true(test_wait_open(0, WAIT_MS));
		cut_writer();
		nap(i);
		record_stop();
		assert_int_equal(t.e.outcome, RECORD_COMMITTED);
		assert_int_equal(record_settled_id(), t.e.id);
		assert_sound_on(pg, &t, 1);
	}
}

/* One backend gives no answer while PostgreSQL answers others: it is ended and what it did is asked. Here
 * both the message's commit and that of the RETURNED record hang, one after the other. */
static void
a_silent_backend_is_ended(void **state)
{
	struct test_entry t[2];

	(void)state;
	begin(500, 10);
	hold_commits(true);
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 0);
	assert_true(test_wait_open(0, WAIT_MS));
	assert_int_equal(t[0].e.outcome, RECORD_REFUSED);
	for (int i = 0;
	     i < 200 && pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 7") == 0;
	     i++)
		nap(100);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 7"), 1);
	hold_commits(false);
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, WAIT_MS));
	record_stop();
	assert_sound_on(pg, t, 2);
}

/* Read-only for a while (25006), by the database's setting: refused, then taken again on the same link. */
static void
read_only(void **state)
{
	struct test_entry t[2];

	(void)state;
	begin(1000, 10);
	pg_exec(pg, "ALTER SYSTEM SET default_transaction_read_only = on");
	pg_exec(pg, "SELECT pg_reload_conf()");
	nap(300);
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 0);
	assert_true(test_wait_open(0, WAIT_MS));
	assert_int_equal(t[0].e.outcome, RECORD_REFUSED);
	assert_false(record_is_up());
	pg_exec(pg, "SET default_transaction_read_only = off");
	pg_exec(pg, "ALTER SYSTEM RESET default_transaction_read_only");
	pg_exec(pg, "SELECT pg_reload_conf()");
	nap(300);
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, WAIT_MS));
	assert_int_equal(t[1].e.outcome, RECORD_COMMITTED);
	assert_true(record_is_up());
	record_stop();
	assert_sound_on(pg, t, 2);
}

#define SENDERS 4
#define EACH 6000
#define WINDOW 40

struct sender {
	pthread_t thread;
	char name[32];
	struct test_entry *t;
	unsigned n;
};

static atomic_bool enough;

static void *
send_on(void *arg)
{
	struct sender *s = arg;

	while (s->n < EACH && !atomic_load(&enough)) {
		test_submit(&s->t[s->n], s->name, "juliet@example.org", s->n);
		s->n++;
		test_wait_open(SENDERS * WINDOW, 50);
		nap(1);
	}
	return NULL;
}

static void
kill_rounds(int rounds, bool backend_only)
{
	for (int i = 0; i < rounds; i++) {
		nap(150 + rand() % 500);
		if (backend_only) {
			cut_writer();
			continue;
		}
		pg_kill(pg);
		/* Sometimes longer than patience. */
		nap(rand() % 2 ? 0 : 1200);
		pg_start(pg, true);
	}
}

static void
under_load(int rounds, bool backend_only)
{
	struct test_entry *t = calloc(SENDERS * EACH, sizeof(*t)),
			  *all = calloc(SENDERS * EACH, sizeof(*t));
	struct sender s[SENDERS];
	size_t n = 0, committed = 0;

	begin(1000, 1000);
	atomic_store(&enough, false);
	for (int i = 0; i < SENDERS; i++) {
		s[i].n = 0;
		s[i].t = t + (size_t)i * EACH;
		snprintf(s[i].name, sizeof(s[i].name), "sender%d@example.org", i);
		assert_int_equal(pthread_create(&s[i].thread, NULL, send_on, &s[i]), 0);
	}
	kill_rounds(rounds, backend_only);
	atomic_store(&enough, true);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(s[i].thread, NULL);
	assert_true(test_wait_open(0, WAIT_MS));
	record_stop();
	for (int i = 0; i < SENDERS; i++)
		for (unsigned j = 0; j < s[i].n; j++) {
			all[n++] = s[i].t[j];
			committed += s[i].t[j].e.outcome == RECORD_COMMITTED;
		}
	print_message("           %zu sent, %zu committed, %ld returned by record\n", n, committed,
		      pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 7"));
	assert_sound_on(pg, all, n);
	free(t);
	free(all);
}

static void
killed_under_load(void **state)
{
	(void)state;
	under_load(5, false);
}

static void
cut_under_load(void **state)
{
	(void)state;
	under_load(12, true);
}

/* PostgreSQL away at the stop: what waits is refused at the end of its patience, and the stop ends. */
static void
stopped_while_away(void **state)
{
	struct test_entry t[10];
	int64_t began;

	(void)state;
	begin(1000, 10);
	pg_freeze(pg);
	for (unsigned i = 0; i < 10; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	began = clock_mono_ms();
	record_stop();
	assert_in_range(clock_mono_ms() - began, 0, 15000);
	pg_thaw(pg);
	assert_int_equal(test_open_entries(), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(t[i].e.outcome, RECORD_REFUSED);
}

/* Submitting after the stop is refused at once. */
static void
stopped(void **state)
{
	struct test_entry t;

	(void)state;
	test_submit(&t, "romeo@example.org", "juliet@example.org", 0);
	assert_int_equal(test_open_entries(), 0);
	assert_int_equal(t.e.outcome, RECORD_REFUSED);
}

/* Leaves nothing free; the file stands for whatever fills disks. */
static void
fill(struct pg *full)
{
	char path[200];
	static char block[65536];
	int fd;

	snprintf(path, sizeof(path), "%s/filler", pg_data(full));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	while (write(fd, block, 512) > 0)
		;
	close(fd);
}

static void
disk_full(void **state)
{
	struct pg *full = pg_new_small(160, "min_wal_size = 32MB\nmax_wal_size = 48MB");
	struct test_entry *t = calloc(400, sizeof(*t));
	char path[200];
	int refused = 0;
	struct pg *kept = pg;

	(void)state;
	if (!full) {
		print_message("           skipped: a tmpfs cannot be mounted here\n");
		free(t);
		skip();
		return;
	}
	pg = full;
	begin(1500, 100);
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 0);
	assert_true(test_wait_open(0, WAIT_MS));
	fill(full);
	for (unsigned i = 1; i < 300; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	assert_true(test_wait_open(0, WAIT_MS));
	for (int i = 0; i < 300; i++)
		refused += t[i].e.outcome == RECORD_REFUSED;
	assert_true(refused > 0);
	snprintf(path, sizeof(path), "%s/filler", pg_data(full));
	assert_int_equal(unlink(path), 0);
	pg_revive(full);
	nap(1500);
	for (unsigned i = 300; i < 400; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	assert_true(test_wait_open(0, WAIT_MS));
	for (int i = 300; i < 400; i++)
		assert_int_equal(t[i].e.outcome, RECORD_COMMITTED);
	record_stop();
	assert_sound_on(full, t, 400);
	pg = kept;
	pg_free(full);
	free(t);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(frozen, tidy),
		cmocka_unit_test_teardown(cut_after_commit, tidy),
		cmocka_unit_test_teardown(cut_after_commit_and_patience, tidy),
		cmocka_unit_test_teardown(a_silent_backend_is_ended, tidy),
		cmocka_unit_test_teardown(read_only, tidy),
		cmocka_unit_test_teardown(killed_under_load, tidy),
		cmocka_unit_test_teardown(cut_under_load, tidy),
		cmocka_unit_test_teardown(stopped_while_away, tidy),
		cmocka_unit_test_teardown(stopped_while_linking, tidy),
		cmocka_unit_test_teardown(stopped, tidy),
		cmocka_unit_test_teardown(disk_full, tidy),
	};

	const struct CMUnitTest copied[] = {
		cmocka_unit_test_teardown(frozen, tidy),
		cmocka_unit_test_teardown(cut_after_commit, tidy),
		cmocka_unit_test_teardown(cut_after_commit_and_patience, tidy),
		cmocka_unit_test_teardown(a_silent_backend_is_ended, tidy),
		cmocka_unit_test_teardown(read_only, tidy),
		cmocka_unit_test_teardown(cut_under_load, tidy),
	};

	srand((unsigned)time(NULL));
	test_archive_copies = argc > 1 && strcmp(argv[1], "copied") == 0;
	return test_archive_copies ? cmocka_run_group_tests(copied, start, stop) : cmocka_run_group_tests(tests, start, stop);
}
