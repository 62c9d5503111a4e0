/*
 * The judge, with a real database, record and vault; the scanner's place is taken by the test, which says what it finds.
 */
#include "lib/ask.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/file/file_policy.h"
#include "core/file/judge.h"
#include "core/file/vault.h"
#include "core/host.h"
#include "lib/archive.h"
#include "lib/pg.h"
#include "lib/testcert.h"
#include "store/pool.h"

static struct pg *pg;
static struct testca *ca;
static char dir[64];

/* The scanner's place */

static enum scan_verdict finds;
static const char *finds_text, *finds_type;
static bool is_open;
static unsigned scans;
static struct scan_state signatures;
static bool changes; /* others come into force during the next scan */

bool
scanner_is_open(const char **why)
{
	*why = "the scanner is being tested";
	return is_open;
}

void
scanner_state(struct scan_state *out)
{
	*out = signatures;
}

enum scanner_condition
scanner_condition(void)
{
	return is_open ? SCANNER_UP : SCANNER_DOWN;
}

void
scanner_on_new_signatures(void (*fn)(void *arg, uint64_t generation), void *arg)
{
	(void)fn;
	(void)arg;
}

void
scanner_submit(struct scan *s)
{
	scans++;
	s->verdict = finds;
	snprintf(s->text, sizeof(s->text), "%s", finds_text);
	snprintf(s->type, sizeof(s->type), "%s", finds_type);
	s->signatures = signatures.generation;
	s->signatures_s = signatures.newest_s;
	s->signatures_n = signatures.signatures;
	s->signatures_set = signatures.set;
	if (changes)
		signatures.generation++, signatures.newest_s++;
	changes = false;
	reactor_post(s->home, &s->mail);
}

/* Furniture */

static void
settings(const char *more)
{
	struct testcert c = testca_issue(ca, "capulet.lit", TESTCERT_EC, 30);
	struct err e = { 0 };
	struct buf b = { 0 };
	struct config *config;

	buf_addf(&b, "hosts:\n  - domain: capulet.lit\n    certificate: %s\n    key: %s\ndatabase:\n  conninfo: dbname=x\nlimits:\n  file_bytes: 100000\n"
		"files:\n  dir: %s/files\n%s", c.certificate, c.key, dir, more);
	config = config_parse("c.yaml", buf_str(&b), buf_len(&b), &e);
	if (!config)
		fail_msg("%s", e.text);
	config_set(config);
	buf_fini(&b);
}

static int
start(void **state)
{
	struct config *c;
	struct err e = { 0 };

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_judge_XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	pg = pg_new(NULL, true);
	ca = testca_new();
	settings("");
	c = config_get();
	if (host_start(c, &e) || vault_start(&e) || reactor_start_all(1) || pool_start(pg_conninfo(pg, "chancery_server"), 2, 4000, 100, &e))
		fail_msg("%s", e.text);
	config_unref(c);
	home_start_all();
	test_archive_start(pg, 2000, 100);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	(void)st;
	(void)kind;
	(void)f;
	return remove(path);
}

static int
stop(void **state)
{
	(void)state;
	record_stop();
	pool_stop();
	home_stop_all();
	reactor_stop_all();
	host_stop();
	config_set(NULL);
	testca_free(ca);
	pg_free(pg);
	buf_fini(&ask_sent);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* As things are on a good day. */
static int
begin(void **state)
{
	(void)state;
	settings("");
	is_open = true;
	finds = SCAN_CLEAN;
	finds_text = "";
	finds_type = "image/png";
	scans = 0;
	changes = false;
	signatures = (struct scan_state){ .generation = 1, .signatures = 100, .newest_s = 1700000000 };
	return 0;
}

struct trial {
	struct judgement j;
	struct arena *arena;
	sem_t done;
};

static void
judged(struct mail *m)
{
	struct trial *t = LIST_ENTRY(LIST_ENTRY(m, struct judgement, mail), struct trial, j);

	sem_post(&t->done);
}

static void
submit_here(void *arg)
{
	struct trial *t = arg;

	t->j.home = reactor_current();
	judge_submit(&t->j);
}

/* What is said of this content, under that name and declared type. The caller frees t->arena. */
static enum judge_verdict
judge(struct trial *t, const char *content, const char *name, const char *type)
{
	struct err e = { 0 };
	enum judge_verdict v;

	t->arena = arena_new(0);
	t->j.mail.run = judged;
	t->j.arena = t->arena;
	t->j.spool = spool_new(strlen(content), &e);
	if (!t->j.spool || spool_write(t->j.spool, content, strlen(content), &e))
		fail_msg("%s", e.text);
	t->j.from = jid_parse_z("romeo@capulet.lit/orchard");
	if (!t->j.groups)
		t->j.groups = "";
	t->j.name = name;
	t->j.type = type;
	sem_init(&t->done, 0, 0);
	reactor_call(reactor_at(0), submit_here, t);
	sem_wait(&t->done);
	v = t->j.verdict;
	return v;
}

static void
trial_end(struct trial *t)
{
	spool_free(t->j.spool);
	jid_unref((struct jid *)t->j.from);
	jid_unref((struct jid *)t->j.to);
	arena_free(t->arena);
	sem_destroy(&t->done);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static bool
is_kept(const char *content)
{
	uint8_t sha256[SHA256_SIZE];
	struct err e = { 0 };
	uint64_t size;
	int fd;

	crypt_sha256(content, strlen(content), sha256);
	fd = vault_open(sha256, &size, &e);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool
is_quarantined(const char *content)
{
	uint8_t sha256[SHA256_SIZE];
	char hex[65], path[256];

	crypt_sha256(content, strlen(content), sha256);
	text_hex(sha256, SHA256_SIZE, hex);
	snprintf(path, sizeof(path), "%s/files/quarantine/%.2s/%s", dir, hex, hex + 2);
	return !access(path, F_OK);
}

/* Tests */

static void
test_clean_upload(void **state)
{
	struct trial t = { .j = { .path = JUDGE_UPLOAD, .keep = true } };
	char sql[256];

	(void)state;
	assert_int_equal(judge(&t, "a picture", "balcony.png", "image/png"), JUDGE_PASS);
	assert_string_equal(t.j.text, "");
	assert_string_equal(t.j.true_type, "image/png");
	assert_true(is_kept("a picture"));
	assert_true(t.j.record_id > 0 && t.j.event > 0);
	snprintf(sql, sizeof(sql), "SELECT body FROM archive.record WHERE kind = 22 AND id = %llu AND from_bare = 'romeo@capulet.lit' AND to_bare ="
		" 'capulet.lit'", (unsigned long long)t.j.record_id);
	assert_string_equal(pg_value(pg, sql), "File balcony.png (9 bytes, image/png): clean");
	snprintf(sql, sizeof(sql), "SELECT verdict FROM chancery.file_event WHERE id = %lld AND record = %llu AND name = 'balcony.png'",
		(long long)t.j.event, (unsigned long long)t.j.record_id);
	assert_string_equal(pg_value(pg, sql), "clean");
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE kept AND NOT quarantined AND state = 1 AND signatures_n = 100"), 1);
	trial_end(&t);
}

static void
test_same_content_is_scanned_once(void **state)
{
	struct trial a = { .j = { .path = JUDGE_UPLOAD, .keep = true } }, b = a, c = a;

	(void)state;
	assert_int_equal(judge(&a, "twice", "one.png", NULL), JUDGE_PASS);
	assert_int_equal(judge(&b, "twice", "two.png", NULL), JUDGE_PASS);
	assert_int_equal(scans, 1);
	assert_true(b.j.event > a.j.event);
	/* But not by signatures that have not seen it. */
	signatures.set++;
	assert_int_equal(judge(&c, "twice", "two.png", NULL), JUDGE_PASS);
	assert_int_equal(scans, 2);
	trial_end(&a);
	trial_end(&b);
	trial_end(&c);
}

static void
test_kept_later(void **state)
{
	struct trial a = { .j = { .path = JUDGE_IBB } }, b = { .j = { .path = JUDGE_UPLOAD, .keep = true } };

	(void)state;
	assert_int_equal(judge(&a, "in passing", "a", NULL), JUDGE_PASS);
	assert_false(is_kept("in passing"));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE kept AND size = 10"), 0);
	assert_int_equal(judge(&b, "in passing", "a", NULL), JUDGE_PASS);
	assert_int_equal(scans, 1);
	assert_true(is_kept("in passing"));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE kept AND size = 10"), 1);
	trial_end(&a);
	trial_end(&b);
}

static void
test_infected(void **state)
{
	struct trial t = { .j = { .path = JUDGE_IBB, .to = jid_parse_z("juliet@capulet.lit/balcony") } };

	(void)state;
	finds = SCAN_INFECTED;
	finds_text = "Eicar-Test";
	assert_int_equal(judge(&t, "a virus", "dagger\xe2\x80\xaegnp.exe", "image/png"), JUDGE_INFECTED);
	assert_has(t.j.text, "daggergnp.exe contains a virus (Eicar-Test)");
	assert_true(is_quarantined("a virus"));
	assert_false(is_kept("a virus"));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE quarantined AND NOT kept AND state = 2 AND found = 'Eicar-Test'"), 1);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file_event WHERE verdict = 'infected' AND to_bare = 'juliet@capulet.lit'"), 1);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 22 AND to_bare = 'juliet@capulet.lit'"
		" AND body LIKE '%: infected, Eicar-Test' AND stanza LIKE '%verdict=''infected''%'"), 1);
	trial_end(&t);
	/* Both are told, in the record, and not again in the same minute. */
	for (int i = 0; i < 500 && pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 12") < 2; i++)
		usleep(10000);
	reactor_call(reactor_at(0), nothing, NULL);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 12 AND from_bare = 'capulet.lit'"
		" AND to_bare = 'juliet@capulet.lit' AND body LIKE 'romeo@capulet.lit wanted%'"), 1);
	t = (struct trial){ .j = { .path = JUDGE_IBB, .to = jid_parse_z("juliet@capulet.lit/balcony") } };
	assert_int_equal(judge(&t, "a virus", "dagger\xe2\x80\xaegnp.exe", NULL), JUDGE_INFECTED);
	assert_int_equal(scans, 1);
	trial_end(&t);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 12"), 2);
}

static void
test_kept_content_turns_out_infected(void **state)
{
	struct trial a = { .j = { .path = JUDGE_UPLOAD, .keep = true } }, b = a;

	(void)state;
	assert_int_equal(judge(&a, "not known yet", "a", NULL), JUDGE_PASS);
	assert_true(is_kept("not known yet"));
	signatures.generation = 2;
	signatures.newest_s++;
	finds = SCAN_INFECTED;
	finds_text = "New";
	assert_int_equal(judge(&b, "not known yet", "a", NULL), JUDGE_INFECTED);
	assert_false(is_kept("not known yet"));
	assert_true(is_quarantined("not known yet"));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE state = 4 AND NOT kept AND quarantined AND found = 'New'"), 1);
	/* Whoever had to do with it is told. */
	for (int i = 0; i < 500 && !pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 12 AND body LIKE '%turned out%'"); i++)
		usleep(10000);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 12 AND to_bare = 'romeo@capulet.lit'"
		" AND body LIKE 'a, which you have sent, has turned out to contain a virus (New)%'"), 1);
	assert_int_equal(metric_get(METRIC_FILES_WITHDRAWN), 1);
	trial_end(&a);
	trial_end(&b);
}

static void
test_signatures_change_during_the_scan(void **state)
{
	struct trial a = { .j = { .path = JUDGE_UPLOAD, .keep = true } }, b = a, c = a;

	(void)state;
	changes = true;
	assert_int_equal(judge(&a, "in between", "a", NULL), JUDGE_PASS);
	assert_int_equal(scans, 2);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE kept AND size = 10 AND signatures_at = to_timestamp(1700000001)"), 1);
	/* What was found by newer signatures than have seen it now is not clean again. */
	finds = SCAN_INFECTED;
	finds_text = "Between";
	assert_int_equal(judge(&b, "known to newer ones", "b", NULL), JUDGE_INFECTED);
	pg_exec(pg, "UPDATE chancery.file SET quarantined = false WHERE found = 'Between'");
	signatures.newest_s -= 10;
	finds = SCAN_CLEAN;
	assert_int_equal(judge(&c, "known to newer ones", "c", NULL), JUDGE_CLOSED);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE state = 2 AND NOT kept AND found = 'Between'"), 1);
	trial_end(&a);
	trial_end(&b);
	trial_end(&c);
}

static void
test_released_passes(void **state)
{
	struct trial a = { .j = { .path = JUDGE_IBB } }, b = { .j = { .path = JUDGE_UPLOAD, .keep = true } };

	(void)state;
	finds = SCAN_INFECTED;
	finds_text = "Mistake";
	assert_int_equal(judge(&a, "no virus at all", "a", NULL), JUDGE_INFECTED);
	pg_exec(pg, "UPDATE chancery.file SET state = 5, quarantined = false WHERE found = 'Mistake'");
	assert_int_equal(judge(&b, "no virus at all", "a", NULL), JUDGE_PASS);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 22 AND body LIKE '%clean, Mistake (released from the quarantine)'"), 1);
	trial_end(&a);
	trial_end(&b);
}

static void
test_unscannable(void **state)
{
	struct trial t = { .j = { .path = JUDGE_UPLOAD, .keep = true } };

	(void)state;
	finds = SCAN_UNSCANNABLE;
	finds_text = "it is encrypted";
	finds_type = "application/zip";
	assert_int_equal(judge(&t, "a locked box", "box.zip", NULL), JUDGE_UNSCANNABLE);
	assert_string_equal(t.j.text, "box.zip could not be searched for viruses (it is encrypted), so it was not passed on.");
	assert_false(is_quarantined("a locked box"));
	assert_false(is_kept("a locked box"));
	trial_end(&t);
	settings("  quarantine_unscannable: true\n");
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true } };
	assert_int_equal(judge(&t, "a locked box", "box.zip", NULL), JUDGE_UNSCANNABLE);
	assert_int_equal(scans, 2);
	assert_true(is_quarantined("a locked box"));
	trial_end(&t);
}

static void
test_kept_content_cannot_be_scanned_any_more(void **state)
{
	struct trial a = { .j = { .path = JUDGE_UPLOAD, .keep = true } }, b = a;

	(void)state;
	assert_int_equal(judge(&a, "a box of boxes", "box", NULL), JUDGE_PASS);
	settings("  quarantine_unscannable: true\n");
	signatures.newest_s++;
	finds = SCAN_UNSCANNABLE;
	finds_text = "too deep";
	assert_int_equal(judge(&b, "a box of boxes", "box", NULL), JUDGE_UNSCANNABLE);
	/* Who has its address still fetches it. */
	assert_true(is_kept("a box of boxes"));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file WHERE state = 1 AND kept AND NOT quarantined AND size = 14"
		" AND found = '' AND signatures_at = to_timestamp(1700000000)"), 1);
	trial_end(&a);
	trial_end(&b);
}

static void
test_policy_by_content(void **state)
{
	struct trial t = { .j = { .path = JUDGE_UPLOAD, .keep = true } };

	(void)state;
	finds_type = "application/x-dosexec";
	assert_int_equal(judge(&t, "MZ", "romeo.jpg", "image/jpeg"), JUDGE_FORBIDDEN);
	assert_string_equal(t.j.text, "romeo.jpg is not what it says it is (image/jpeg): it is application/x-dosexec, and was not passed on.");
	assert_false(is_kept("MZ"));
	assert_true(t.j.record_id > 0);
	trial_end(&t);
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true } };
	assert_int_equal(judge(&t, "MZ", "setup.exe", "application/octet-stream"), JUDGE_PASS);
	trial_end(&t);
	settings("  deny_types: [application/x-dosexec, video/]\n");
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true } };
	assert_int_equal(judge(&t, "MZ", "setup.exe", NULL), JUDGE_FORBIDDEN);
	assert_has(t.j.text, "application/x-dosexec");
	trial_end(&t);
}

static void
test_policy_ahead(void **state)
{
	struct trial t = { .j = { .path = JUDGE_UPLOAD, .keep = true } };
	char large[100002];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(judge(&t, large, "large", NULL), JUDGE_FORBIDDEN);
	assert_string_equal(t.j.text, "The file has 100.0 KB; more than 100.0 KB may not be sent.");
	assert_int_equal(scans, 0);
	assert_true(t.j.record_id > 0 && t.j.event > 0);
	trial_end(&t);
	settings("  deny_groups: [apprentices]\n");
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true, .groups = "montagues\napprentices" } };
	assert_int_equal(judge(&t, "small", "small", NULL), JUDGE_FORBIDDEN);
	assert_string_equal(t.j.text, "You may not send files.");
	trial_end(&t);
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true, .groups = "apprentices-no-more" } };
	assert_int_equal(judge(&t, "small", "small", NULL), JUDGE_PASS);
	trial_end(&t);
}

static void
test_scanner_closed_or_failing(void **state)
{
	struct trial t = { .j = { .path = JUDGE_UPLOAD, .keep = true } };

	(void)state;
	is_open = false;
	assert_int_equal(judge(&t, "when closed", "a", NULL), JUDGE_CLOSED);
	assert_has(t.j.text, "the scanner is being tested");
	trial_end(&t);
	is_open = true;
	finds = SCAN_ERROR;
	finds_text = "the worker ended";
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true } };
	assert_int_equal(judge(&t, "when closed", "a", NULL), JUDGE_CLOSED);
	assert_false(is_kept("when closed"));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record WHERE kind = 22 AND body LIKE '%: error'"), 1);
	trial_end(&t);
	/* What the scanner never says is not clean either. */
	finds = 0;
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true } };
	assert_int_equal(judge(&t, "when closed", "a", NULL), JUDGE_CLOSED);
	trial_end(&t);
	finds = SCAN_CLEAN;
	t = (struct trial){ .j = { .path = JUDGE_UPLOAD, .keep = true } };
	assert_int_equal(judge(&t, "when closed", "a", NULL), JUDGE_PASS);
	trial_end(&t);
}

static void
test_names(void **state)
{
	struct arena *a = arena_new(0);
	char longer[5000];

	(void)state;
	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer + FILE_NAME_MAX - 1, "\xc3\xa9", 2);
	assert_int_equal(strlen(file_name_kept(a, longer)), FILE_NAME_MAX - 1);
	assert_string_equal(file_name_shown(a, "a\r\nb\x7f\xc2\x85 c\xe2\x80\x8e"), "ab c");
	assert_string_equal(file_name_shown(a, "\xff\xfe"), "??");
	assert_string_equal(file_name_shown(a, "\xe2\x80\xae"), "The file");
	assert_int_equal(strlen(file_name_shown(a, longer)), 120 + 3);
	assert_string_equal(file_size_shown(a, 1), "1 byte");
	assert_string_equal(file_size_shown(a, 1234567), "1.2 MB");
	assert_string_equal(file_size_shown(a, 2147483647), "2.1 GB");
	arena_free(a);
}

static unsigned withs;
static bool with_fails;

/* One statement, the last of the transaction; it adds the event. */
static enum sql_status
with(struct judgement *j, struct sql *db, const struct file_event *event, struct err *e)
{
	struct file_event v = *event;

	withs++;
	if (with_fails || !v.record_id || v.record_id != j->record_id)
		return sql_do(db, e, "SELECT 1 / 0", 0);
	return file_event_add(db, &v, e);
}

static void
test_with(void **state)
{
	struct trial a = { .j = { .path = JUDGE_UPLOAD, .keep = true, .with = with } }, b = a, c = a, d = a;
	long before;

	(void)state;
	before = pg_number(pg, "SELECT count(*) FROM chancery.file_event");
	assert_int_equal(judge(&a, "in one", "a.png", NULL), JUDGE_PASS);
	assert_int_equal(withs, 1);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file_event"), before + 1);
	finds = SCAN_INFECTED;
	finds_text = "Eicar";
	assert_int_equal(judge(&b, "in one too", "b.png", NULL), JUDGE_INFECTED);
	assert_int_equal(withs, 2);
	finds = SCAN_ERROR;
	assert_int_equal(judge(&c, "in none", "c.png", NULL), JUDGE_CLOSED);
	assert_int_equal(withs, 2);
	/* All of it, or nothing. */
	finds = SCAN_CLEAN;
	finds_text = "";
	with_fails = true;
	before = pg_number(pg, "SELECT count(*) FROM chancery.file_event");
	assert_int_equal(judge(&d, "not without", "d.png", NULL), JUDGE_CLOSED);
	assert_int_equal(withs, 3);
	assert_true(d.j.event == 0);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.file_event"), before);
	trial_end(&a);
	trial_end(&b);
	trial_end(&c);
	trial_end(&d);
}

/* The last one: the database does not come back. */
static void
test_database_gone(void **state)
{
	struct trial t = { .j = { .path = JUDGE_UPLOAD, .keep = true } };

	(void)state;
	pg_kill(pg);
	assert_int_equal(judge(&t, "too late", "a", NULL), JUDGE_CLOSED);
	assert_has(t.j.text, "try again later");
	assert_false(is_kept("too late"));
	trial_end(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_clean_upload, begin),
		cmocka_unit_test_setup(test_same_content_is_scanned_once, begin),
		cmocka_unit_test_setup(test_kept_later, begin),
		cmocka_unit_test_setup(test_infected, begin),
		cmocka_unit_test_setup(test_kept_content_turns_out_infected, begin),
		cmocka_unit_test_setup(test_signatures_change_during_the_scan, begin),
		cmocka_unit_test_setup(test_released_passes, begin),
		cmocka_unit_test_setup(test_unscannable, begin),
		cmocka_unit_test_setup(test_kept_content_cannot_be_scanned_any_more, begin),
		cmocka_unit_test_setup(test_policy_by_content, begin),
		cmocka_unit_test_setup(test_policy_ahead, begin),
		cmocka_unit_test_setup(test_scanner_closed_or_failing, begin),
		cmocka_unit_test_setup(test_names, begin),
		cmocka_unit_test_setup(test_with, begin),
		cmocka_unit_test_setup(test_database_gone, begin),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
