/*
 * Tests of core/file/scanner: against tests/lib/scanner_double.py, a program that does what the file says, and against chancery-scan.
 *
 * What must hold whatever the program does: every scan is answered exactly once, at home; none is clean unless the program has said
 * so in so many words; and afterwards files are scanned again, without a restart of ours.
 */
#include "core/file/scanner.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/metric.h"
#include "core/config/config.h"

#define DOUBLE TEST_SOURCE "/tests/lib/scanner_double.py"
#define REAL TEST_BIN "/chancery-scan"
/* The string that every scanner knows; not written out, so that none finds it in this file. */
#define EICAR_HEX \
	"58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a"

static char folder[64], signatures[96], files[96];
static sem_t fresh; /* new signatures are in force */
static unsigned fresh_n;

struct asked {
	struct scan s;
	sem_t answered;
	unsigned calls;
};

static void
wait_for(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 60;
	if (sem_timedwait(s, &ts))
		fail_msg("waited in vain");
}

static void
on_fresh(void *arg, uint64_t generation)
{
	(void)arg;
	(void)generation;
	fresh_n++;
	sem_post(&fresh);
}

static void
write_file(const char *name, const char *text)
{
	char path[160], new_path[176];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", signatures, name);
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	f = fopen(new_path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(new_path, path), 0);
}

static void
set_mode(const char *mode)
{
	write_file("mode", mode);
}

static void
use_settings(const char *program, const char *more, const char *limits)
{
	char text[2048];
	struct config *c;
	struct err e;

	snprintf(text, sizeof(text),
		"hosts:\n  - domain: capulet.lit\n    certificate: c.pem\n    key: k.pem\ndatabase:\n  conninfo: dbname=x\n"
		"files:\n  dir: %s\n  scanner: %s\n  signatures: %s\n%slimits:\n  connections: 10\n%s", files, program, signatures, more, limits);
	c = config_parse("test.yaml", text, strlen(text), &e);
	if (!c)
		fail_msg("%s", e.text);
	config_set(c);
}

static void
start_as(const char *program, const char *more, const char *limits)
{
	use_settings(program, more, limits);
	sem_init(&fresh, 0, 0);
	fresh_n = 0;
	assert_int_equal(reactor_start_all(1), 0);
	scanner_on_new_signatures(on_fresh, NULL);
	assert_int_equal(scanner_start(), 0);
}

static void
start(void)
{
	set_mode("good");
	start_as(DOUBLE, "", "");
	wait_for(&fresh);
}

static void
stop(void)
{
	scanner_stop();
	reactor_stop_all();
	config_set(NULL);
}

static void
on_answered(struct mail *m)
{
	struct asked *a = (struct asked *)m;

	assert_ptr_equal(reactor_current(), reactor_at(0));
	a->calls++;
	sem_post(&a->answered);
}

static void
ask_within(struct asked *a, const char *text, size_t n, unsigned ms)
{
	memset(a, 0, sizeof(*a));
	sem_init(&a->answered, 0, 0);
	a->s.mail.run = on_answered;
	a->s.home = reactor_at(0);
	a->s.fd = memfd_create("file", MFD_CLOEXEC);
	a->s.size = n;
	a->s.patience_ms = ms;
	assert_int_equal(write(a->s.fd, text, n), n);
	scanner_submit(&a->s);
}

static void
ask(struct asked *a, const char *text, size_t n)
{
	ask_within(a, text, n, 0);
}

static void
wait_answer(struct asked *a)
{
	wait_for(&a->answered);
	close(a->s.fd);
}

static void
expect(struct asked *a, enum scan_verdict verdict, const char *text)
{
	wait_answer(a);
	if (a->s.verdict != verdict || (text && !strstr(a->s.text, text)))
		fail_msg("verdict %d (%s) and not %d (%s)", (int)a->s.verdict, a->s.text, (int)verdict, text);
	assert_int_equal(a->calls, 1);
}

static void
check(const char *content, enum scan_verdict verdict, const char *text)
{
	struct asked a;

	ask(&a, content, strlen(content));
	expect(&a, verdict, text);
}

static void
sleep_ms(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static void
wait_condition(enum scanner_condition c)
{
	for (int i = 0; scanner_condition() != c; i++) {
		if (i == 6000)
			fail_msg("condition %s and not %s", scanner_condition_name(scanner_condition()), scanner_condition_name(c));
		sleep_ms(5);
	}
}

/* The program answers */

static void
verdicts(void **unused)
{
	struct asked a;
	const char *why;

	(void)unused;
	start();
	assert_int_equal(scanner_condition(), SCANNER_UP);
	assert_true(scanner_is_open(&why));
	assert_null(why);
	ask(&a, "clean", 5);
	expect(&a, SCAN_CLEAN, "");
	assert_string_equal(a.s.type, "text/plain");
	assert_int_equal(a.s.signatures, 1);
	assert_true(a.s.signatures_s >= time(NULL) - 120 && a.s.signatures_s <= time(NULL));
	check("infected Eicar-Test", SCAN_INFECTED, "Eicar-Test");
	ask(&a, "unscannable a member is encrypted", 33);
	expect(&a, SCAN_UNSCANNABLE, "a member is encrypted");
	assert_int_equal(a.s.why, SCAN_WHY_ENCRYPTED);
	check("error its worker ended", SCAN_ERROR, "its worker ended");
	check("", SCAN_CLEAN, "");
	stop();
}

static void
many_at_once(void **unused)
{
	struct asked *a = calloc(300, sizeof(*a));
	char text[40];

	(void)unused;
	start();
	for (int i = 0; i < 300; i++)
		ask(&a[i], text, (size_t)snprintf(text, sizeof(text), i % 3 ? "clean" : "infected number-%d", i));
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "number-%d", i);
		expect(&a[i], i % 3 ? SCAN_CLEAN : SCAN_INFECTED, i % 3 ? "" : text);
	}
	assert_int_equal(metric_get(METRIC_SCANS_WAITING), 0);
	assert_int_equal(metric_get(METRIC_SCANS_UNDER_WAY), 0);
	free(a);
	stop();
}

static void
surroundings(void **unused)
{
	struct asked a;

	(void)unused;
	setenv("CHANCERY_SECRET", "x", 1);
	start();
	ask(&a, "where", 5);
	wait_answer(&a);
	if (strcmp(a.s.text, "fds=0,1,2,3 group=True env=HOME,LANG,LC_ALL,PATH,TZ") != 0 && !strstr(a.s.text, "SAN_OPTIONS"))
		fail_msg("%s", a.s.text);
	assert_null(strstr(a.s.text, "CHANCERY"));
	check("say something", SCAN_CLEAN, "");
	stop();
}

/* The program is broken */

static void
fails_and_comes_back(const char *content, enum scan_verdict verdict)
{
	int64_t broken = metric_get(METRIC_SCANNER_BROKEN);
	uint64_t before = scanner_run();

	check(content, verdict, NULL);
	/* Whether it is back or just going: this one waits for it. */
	while (scanner_run() == before)
		sleep_ms(5);
	check("clean", SCAN_CLEAN, "");
	assert_int_equal(metric_get(METRIC_SCANNER_BROKEN), broken + 1);
}

static void
broken_programs(void **state)
{
	start();
	fails_and_comes_back(*state, SCAN_ERROR);
	stop();
}

static void
answers_twice(void **unused)
{
	(void)unused;
	start();
	fails_and_comes_back("twice", SCAN_CLEAN);
	stop();
}

static void
all_it_had(void **unused)
{
	struct asked hanging[5], last;

	(void)unused;
	start();
	for (int i = 0; i < 5; i++)
		ask(&hanging[i], "hang", 4);
	ask(&last, "die", 3);
	for (int i = 0; i < 5; i++)
		expect(&hanging[i], SCAN_ERROR, "failed");
	expect(&last, SCAN_ERROR, "failed");
	check("clean", SCAN_CLEAN, "");
	/* The same signatures as before: nobody is told of new ones. */
	assert_int_equal(fresh_n, 1);
	stop();
}

static void
is_killed(void **unused)
{
	struct asked a;

	(void)unused;
	start();
	ask(&a, "pid", 3);
	wait_answer(&a);
	assert_int_equal(kill(atoi(a.s.text), SIGKILL), 0);
	wait_condition(SCANNER_DOWN);
	check("clean", SCAN_CLEAN, "");
	stop();
}

static void
too_many(void **unused)
{
	struct asked with, waiting, refused;
	uint64_t before;

	(void)unused;
	set_mode("good");
	start_as(DOUBLE, "", "  scan_seconds: 1\n  scans_at_once: 1\n  scans_waiting: 1\n");
	wait_for(&fresh);
	before = scanner_run();
	ask(&with, "hang", 4);
	ask(&waiting, "clean", 5);
	ask(&refused, "clean", 5);
	expect(&refused, SCAN_ERROR, "too many");
	expect(&waiting, SCAN_ERROR, "in time");
	/* The program has a deadline for each of its own; when it does not keep it either, it is ended. */
	expect(&with, SCAN_ERROR, "failed");
	/* Its second does not begin before another program is there, which takes longer on a machine that has much to do. */
	while (scanner_run() == before)
		sleep_ms(5);
	wait_condition(SCANNER_UP);
	check("clean", SCAN_CLEAN, "");
	stop();
}

static void
a_scan_has_less_time_than_others(void **unused)
{
	struct asked with, waiting, patient;

	(void)unused;
	set_mode("good");
	start_as(DOUBLE, "", "  scan_seconds: 60\n  scans_at_once: 1\n");
	wait_for(&fresh);
	ask_within(&with, "hang", 4, 1);
	ask_within(&waiting, "clean", 5, 1);
	ask_within(&patient, "clean", 5, 0);
	expect(&waiting, SCAN_ERROR, "in time");
	expect(&with, SCAN_ERROR, "failed");
	expect(&patient, SCAN_CLEAN, "");
	stop();
}

static void
stopping(void **unused)
{
	struct asked a[20], late;

	(void)unused;
	start();
	for (int i = 0; i < 20; i++)
		ask(&a[i], "hang", 4);
	scanner_stop();
	for (int i = 0; i < 20; i++)
		expect(&a[i], SCAN_ERROR, "stopped");
	ask(&late, "clean", 5);
	expect(&late, SCAN_ERROR, "no scanner");
	reactor_stop_all();
	config_set(NULL);
}

/* There is no program */

static void
no_program(void **unused)
{
	const char *why;

	(void)unused;
	start_as("/nonexistent/chancery-scan", "", "");
	check("clean", SCAN_ERROR, "not running");
	assert_int_equal(scanner_condition(), SCANNER_DOWN);
	assert_false(scanner_is_open(&why));
	assert_non_null(strstr(why, "not running"));
	stop();
}

static void
ends_at_once(void **unused)
{
	int64_t starts = metric_get(METRIC_SCANNER_STARTS);

	(void)unused;
	set_mode("refuse");
	start_as(DOUBLE, "", "");
	while (metric_get(METRIC_SCANNER_STARTS) < starts + 3)
		sleep_ms(5);
	set_mode("good");
	wait_for(&fresh);
	check("clean", SCAN_CLEAN, "");
	stop();
}

static void
switched_off(void **unused)
{
	int64_t starts = metric_get(METRIC_SCANNER_STARTS);
	const char *why;

	(void)unused;
	set_mode("good");
	start_as(DOUBLE, "  on: false\n", "");
	check("clean", SCAN_ERROR, "no scanner");
	assert_int_equal(scanner_condition(), SCANNER_OFF);
	assert_false(scanner_is_open(&why));
	assert_int_equal(metric_get(METRIC_SCANNER_STARTS), starts);
	use_settings(DOUBLE, "", "");
	scanner_reload();
	wait_for(&fresh);
	check("clean", SCAN_CLEAN, "");
	use_settings(DOUBLE, "  on: false\n", "");
	scanner_reload();
	check("clean", SCAN_ERROR, "no scanner");
	stop();
}

/* It sleeps until somebody needs it (files.scanner_start: lazy) */

#define LAZY "  scanner_start: lazy\n"

static void
woken_by_a_file(void **unused)
{
	int64_t starts = metric_get(METRIC_SCANNER_STARTS);
	struct asked first, second;
	const char *why;

	(void)unused;
	set_mode("loading");
	start_as(DOUBLE, LAZY, "");
	assert_int_equal(scanner_condition(), SCANNER_ASLEEP);
	assert_int_equal(metric_get(METRIC_SCANNER_STARTS), starts);
	/* They wait for the signatures, even those that have less time than these take. */
	ask_within(&first, "clean", 5, 1);
	ask(&second, "infected Eicar-Test", 19);
	while (metric_get(METRIC_SCANNER_STARTS) == starts)
		sleep_ms(5);
	assert_int_equal(scanner_condition(), SCANNER_ASLEEP);
	assert_true(scanner_is_open(&why));
	set_mode("good");
	expect(&first, SCAN_CLEAN, "");
	expect(&second, SCAN_INFECTED, "Eicar-Test");
	wait_condition(SCANNER_UP);
	check("exit", SCAN_ERROR, "failed");
	check("clean", SCAN_CLEAN, "");
	assert_int_equal(metric_get(METRIC_SCANNER_STARTS), starts + 2);
	stop();
}

static void
woken_by_a_question(void **unused)
{
	int64_t starts = metric_get(METRIC_SCANNER_STARTS);
	const char *why;

	(void)unused;
	set_mode("good");
	start_as(DOUBLE, LAZY, "");
	for (int i = 0; i < 3; i++)
		assert_true(scanner_is_open(&why));
	wait_for(&fresh);
	wait_condition(SCANNER_UP);
	assert_int_equal(metric_get(METRIC_SCANNER_STARTS), starts + 1);
	stop();
}

static void
woken_in_vain(void **unused)
{
	const char *why;

	(void)unused;
	set_mode("empty");
	start_as(DOUBLE, LAZY, "");
	check("clean", SCAN_ERROR, "no signatures");
	assert_false(scanner_is_open(&why));
	set_mode("good");
	wait_for(&fresh);
	check("clean", SCAN_CLEAN, "");
	stop();
	start_as("/nonexistent/chancery-scan", LAZY, "");
	check("clean", SCAN_ERROR, "not running");
	assert_int_equal(scanner_condition(), SCANNER_DOWN);
	stop();
	/* Nor is it started by its end. */
	start_as(DOUBLE, LAZY, "");
	stop();
}

static void
woken_by_settings(void **unused)
{
	(void)unused;
	set_mode("good");
	start_as(DOUBLE, LAZY "  on: false\n", "");
	assert_int_equal(scanner_condition(), SCANNER_OFF);
	use_settings(DOUBLE, LAZY, "");
	scanner_reload();
	wait_condition(SCANNER_ASLEEP);
	use_settings(DOUBLE, LAZY "  on: false\n", "");
	scanner_reload();
	wait_condition(SCANNER_OFF);
	use_settings(DOUBLE, LAZY, "");
	scanner_reload();
	wait_condition(SCANNER_ASLEEP);
	use_settings(DOUBLE, "", "");
	scanner_reload();
	wait_for(&fresh);
	check("clean", SCAN_CLEAN, "");
	stop();
}

/* Signatures */

static void
no_signatures(void **unused)
{
	struct scan_state st;
	const char *why;
	uint64_t run;

	(void)unused;
	set_mode("empty");
	start_as(DOUBLE, "", "");
	wait_condition(SCANNER_EMPTY);
	assert_false(scanner_is_open(&why));
	assert_non_null(strstr(why, "signatures"));
	check("clean", SCAN_ERROR, "no signatures");
	set_mode("good");
	wait_for(&fresh);
	check("clean", SCAN_CLEAN, "");
	scanner_state(&st);
	assert_int_equal(st.generation, 1);
	set_mode("broken");
	do {
		sleep_ms(5);
		scanner_state(&st);
	} while (!st.trouble[0]);
	/* Those before stay in force. */
	check("clean", SCAN_CLEAN, "");
	/* Until they are lost: the program says so, and is believed. */
	run = scanner_run();
	set_mode("empty");
	wait_condition(SCANNER_EMPTY);
	check("clean", SCAN_ERROR, "no signatures");
	set_mode("good");
	wait_condition(SCANNER_UP);
	check("clean", SCAN_CLEAN, "");
	assert_int_equal(scanner_run(), run);
	stop();
}

static void
old_signatures(void **unused)
{
	const char *why;

	(void)unused;
	set_mode("old");
	start_as(DOUBLE, "", "");
	wait_condition(SCANNER_OLD);
	assert_true(scanner_is_open(&why));
	check("clean", SCAN_CLEAN, "");
	use_settings(DOUBLE, "  close_when_old: true\n", "");
	scanner_reload();
	while (scanner_is_open(&why))
		sleep_ms(5);
	assert_non_null(strstr(why, "too old"));
	wait_for(&fresh);
	set_mode("good");
	wait_for(&fresh);
	assert_true(scanner_is_open(&why));
	stop();
}

/* What is being loaded is waited for. */
static void
loading(void **unused)
{
	struct asked a;

	(void)unused;
	set_mode("loading");
	start_as(DOUBLE, "", "");
	ask(&a, "clean", 5);
	set_mode("good");
	expect(&a, SCAN_CLEAN, "");
	stop();
}

static void
new_limits(void **unused)
{
	int64_t broken = metric_get(METRIC_SCANNER_BROKEN);
	struct scan_state st;

	(void)unused;
	start();
	use_settings(DOUBLE, "", "  archive_depth: 5\n");
	scanner_reload();
	while (scanner_run() < 2)
		sleep_ms(5);
	check("clean", SCAN_CLEAN, "");
	scanner_state(&st);
	assert_string_equal(st.engine, "double 5");
	assert_int_equal(metric_get(METRIC_SCANNER_BROKEN), broken);
	stop();
}

/* Where it unpacks */

static void
expect_tmp(const char *path)
{
	struct asked a;

	ask(&a, "tmp", 3);
	expect(&a, SCAN_INFECTED, path);
}

static void
start_in(const char *memory, const char *limits)
{
	char more[128];

	snprintf(more, sizeof(more), "  scanner_folder: %s\n", memory);
	set_mode("good");
	start_as(DOUBLE, more, limits);
	wait_for(&fresh);
}

static void
another_folder(void **unused)
{
	static const char limits[] = "  archive_bytes: 1048576\n";
	char memory[96], own[SCAN_TEXT_MAX], below[128];
	struct asked a;
	struct stat st;

	(void)unused;
	snprintf(memory, sizeof(memory), "%s/memory", folder);
	snprintf(below, sizeof(below), "%s/scan", files);
	assert_int_equal(mkdir(memory, 0755), 0);
	start_in(memory, limits);
	ask(&a, "tmp", 3);
	wait_answer(&a);
	snprintf(own, sizeof(own), "%s", a.s.text);
	assert_int_equal(strncmp(own, memory, strlen(memory)), 0);
	assert_non_null(strstr(own, "/chancery-scan-"));
	assert_int_equal(stat(own, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* The next one finds nothing that the last one has left, or it would not begin. */
	ask(&a, "die", 3);
	wait_answer(&a);
	while (scanner_run() < 2)
		sleep_ms(5);
	expect_tmp(own);
	stop();
	assert_int_equal(stat(own, &st), -1);
	/* Somebody has been there before: what it leads to is not touched. */
	assert_int_equal(symlink(signatures, own), 0);
	start_in(memory, limits);
	expect_tmp(below);
	stop();
	assert_int_equal(unlink(own), 0);
	/* It is made anew each time that the program is, whatever has become of it. */
	start_in(memory, limits);
	expect_tmp(own);
	stop();
	assert_int_equal(rmdir(memory), 0);
	start_in(memory, limits);
	expect_tmp(below);
	stop();
}

static void
no_room_elsewhere(void **unused)
{
	char memory[96], own[128];
	struct statvfs v;

	(void)unused;
	snprintf(memory, sizeof(memory), "%s/memory", folder);
	snprintf(own, sizeof(own), "%s/scan", files);
	assert_int_equal(mkdir(memory, 0755), 0);
	assert_int_equal(statvfs(memory, &v), 0);
	if ((uint64_t)v.f_bavail * v.f_frsize > (uint64_t)128 << 30) {
		print_message("skipped: there is room for everything\n");
		assert_int_equal(rmdir(memory), 0);
		skip();
	}
	start_in(memory, "  archive_bytes: 17179869184\n");
	expect_tmp(own);
	stop();
	/* Nothing is left behind there. */
	assert_int_equal(rmdir(memory), 0);
}

/* By itself in memory, if all that it may take is no more than half of it. */
static void
folder_by_itself(void **unused)
{
	char below[128];
	struct sysinfo all;
	struct statvfs v;
	struct asked a;

	(void)unused;
	snprintf(below, sizeof(below), "%s/scan", files);
	assert_int_equal(sysinfo(&all), 0);
	if (statvfs("/dev/shm", &v) || (uint64_t)v.f_bavail * v.f_frsize < (uint64_t)2 << 30 || (uint64_t)all.totalram * all.mem_unit < (uint64_t)6 << 30) {
		print_message("skipped: there is little memory\n");
		skip();
	}
	set_mode("good");
	start_as(DOUBLE, "  workers: 1\n", "  archive_bytes: 1048576\n");
	wait_for(&fresh);
	ask(&a, "tmp", 3);
	wait_answer(&a);
	assert_int_equal(strncmp(a.s.text, "/dev/shm/chancery-scan-", 23), 0);
	stop();
	assert_int_equal(access(a.s.text, F_OK), -1);
	start_as(DOUBLE, "  workers: 64\n", "  archive_bytes: 17179869184\n");
	wait_for(&fresh);
	expect_tmp(below);
	stop();
}

/* chancery-scan itself */

static void
from_hex(const char *hex, char *out)
{
	for (; *hex; hex += 2) {
		unsigned byte;

		sscanf(hex, "%2x", &byte);
		*out++ = (char)byte;
	}
}

static void
real_program(void **unused)
{
	char eicar[sizeof(EICAR_HEX) / 2];
	struct asked a;
	struct scan_state st;

	(void)unused;
	if (access(REAL, X_OK)) {
		print_message("skipped: chancery-scan has not been built\n");
		skip();
	}
	from_hex(EICAR_HEX, eicar);
	write_file("test.ndb", "Eicar-Test-Signature:0:*:" EICAR_HEX "\n");
	set_mode("good");
	start_as(REAL, "", "");
	wait_for(&fresh);
	ask(&a, "plain words", 11);
	expect(&a, SCAN_CLEAN, "");
	assert_true(a.s.signatures_s > 0);
	ask(&a, eicar, sizeof(eicar));
	expect(&a, SCAN_INFECTED, "Eicar-Test-Signature");
	scanner_state(&st);
	assert_true(st.signatures >= 1 && st.workers == 2);
	stop();
}

static int
make_folders(void **unused)
{
	(void)unused;
	snprintf(folder, sizeof(folder), "/tmp/chancery-scanner-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(signatures, sizeof(signatures), "%s/signatures", folder);
	snprintf(files, sizeof(files), "%s/files", folder);
	return mkdir(signatures, 0755);
}

static int
remove_folders(void **unused)
{
	char command[128];

	(void)unused;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

#define BROKEN(word) {"broken: " word, broken_programs, NULL, NULL, (void *)(uintptr_t)word}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(surroundings),
		BROKEN("exit"),
		BROKEN("die"),
		BROKEN("close"),
		BROKEN("garbage"),
		BROKEN("short"),
		BROKEN("long"),
		BROKEN("wrong-id"),
		BROKEN("verdict"),
		BROKEN("no-verdict"),
		BROKEN("version"),
		BROKEN("unsigned"),
		BROKEN("nameless"),
		BROKEN("control"),
		BROKEN("unterminated"),
		BROKEN("latin1"),
		BROKEN("back"),
		BROKEN("descriptor"),
		BROKEN("why"),
		cmocka_unit_test(answers_twice),
		cmocka_unit_test(all_it_had),
		cmocka_unit_test(is_killed),
		cmocka_unit_test(too_many),
		cmocka_unit_test(a_scan_has_less_time_than_others),
		cmocka_unit_test(stopping),
		cmocka_unit_test(no_program),
		cmocka_unit_test(ends_at_once),
		cmocka_unit_test(switched_off),
		cmocka_unit_test(woken_by_a_file),
		cmocka_unit_test(woken_by_a_question),
		cmocka_unit_test(woken_in_vain),
		cmocka_unit_test(woken_by_settings),
		cmocka_unit_test(no_signatures),
		cmocka_unit_test(old_signatures),
		cmocka_unit_test(loading),
		cmocka_unit_test(new_limits),
		cmocka_unit_test(another_folder),
		cmocka_unit_test(no_room_elsewhere),
		cmocka_unit_test(folder_by_itself),
		cmocka_unit_test(real_program),
	};

	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
