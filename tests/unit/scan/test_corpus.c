/*
 * What the scanner says of files: made by corpus.py, whose names say what is right, and those of clamav-testfiles. Without processes
 * and sandbox: test_program has these.
 */
#include "unit/scan/fixture.h"

#include <clamav.h>
#include <dirent.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "scan/engine.h"
#include "scan/type.h"
#include "scan/walk.h"
#include "scan/worker.h"

#define TEST_FILES "/usr/share/clamav-testfiles"
#define MIB ((uint64_t)1 << 20)

static struct scan_options options = { .archive_bytes = 100 * (1 << 20), .archive_members = 10000, .archive_depth = 16,
	.archive_ratio = 250, .file_bytes = 50 * (1 << 20) };
static struct engine engine;
static struct walk *walk;

static int
setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	fixture_make();
	options.signatures = fixture_signatures;
	options.tmp = fixture_tmp;
	if (engine_init(&e) || type_load(&e) || engine_load(&engine, &options, fixture_tmp, &e))
		fail_msg("%s", e.text);
	walk = walk_new(&options, &engine, open(fixture_tmp, O_RDONLY | O_DIRECTORY));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	/* Nothing is left in the temporary folder: rmdir takes only an empty one. */
	assert_int_equal(rmdir(fixture_tmp), 0);
	walk_free(walk);
	engine_unload(&engine);
	fixture_remove();
	return 0;
}

static struct scan_answer
scan_fd(int fd, uint64_t size)
{
	struct scan_answer a = { .kind = SCAN_ANSWER, .version = SCAN_WIRE_VERSION, .signatures = 1 };

	worker_scan(&options, &engine, walk, fd, size, clock_mono_ms() + 120000, &a);
	assert_true(scan_wire_answer_is_right(&a, sizeof(a)));
	return a;
}

static struct scan_answer
scan_path(const char *dir, const char *name)
{
	char path[512];
	struct scan_answer a;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	a = scan_fd(fd, (uint64_t)st.st_size);
	close(fd);
	return a;
}

/* The verdict as the names of corpus.py have it. */
static const char *
word(const struct scan_answer *a)
{
	static const char *const verdicts[] = { "?", "clean", "infected", "?", "error" };
	static const char *const whys[] = { "?", "encrypted", "limit", "damaged" };

	return a->verdict == SCAN_UNSCANNABLE ? whys[a->why] : verdicts[a->verdict];
}

static void
corpus(void **state)
{
	char dir[96], command[512];
	unsigned wrong = 0, n = 0;
	struct dirent *d;
	DIR *dp;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/corpus", fixture_dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(command, sizeof(command), "python3 %s/tests/unit/scan/corpus.py %s", TEST_SOURCE, dir);
	assert_int_equal(system(command), 0);
	dp = opendir(dir);
	assert_non_null(dp);
	while ((d = readdir(dp))) {
		struct scan_answer a;
		size_t k;

		if (d->d_name[0] == '.')
			continue;
		a = scan_path(dir, d->d_name);
		k = strcspn(d->d_name, "-.");
		n++;
		if (strncmp(word(&a), d->d_name, k) != 0 || word(&a)[k]) {
			print_error("%s: %s: %s\n", d->d_name, word(&a), a.text);
			wrong++;
		}
	}
	closedir(dp);
	assert_int_equal(wrong, 0);
	assert_true(n > 120);
}

static void
test_files(void **state)
{
	DIR *dp = opendir(TEST_FILES);
	unsigned n = 0, infected = 0;
	struct dirent *d;

	(void)state;
	if (!dp) {
		print_message("the package clamav-testfiles is not here\n");
		skip();
	}
	while ((d = readdir(dp))) {
		struct scan_answer a;

		if (d->d_name[0] == '.')
			continue;
		a = scan_path(TEST_FILES, d->d_name);
		n++;
		infected += a.verdict == SCAN_INFECTED && strstr(a.text, "ClamAV-Test-File");
		if (a.verdict != SCAN_INFECTED && a.verdict != SCAN_UNSCANNABLE)
			fail_msg("%s: %s: %s", d->d_name, word(&a), a.text);
	}
	closedir(dp);
	assert_true(n >= 44);
	/* One of them is archives in archives, deeper than is allowed here. */
	assert_true(infected >= n - 1);
}

/* libclamav calls a ZIP clean whose member is larger than its limit: 60 MB of zeros, and behind them what it does not see. */
static void
zip_trap(void **state)
{
	struct scan_options large = options;
	struct engine g;
	struct walk *w;
	char dir[96], command[1024];
	struct scan_answer a;
	struct err e = { 0 };
	struct stat st;
	int fd;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/trap.zip", fixture_dir);
	snprintf(command, sizeof(command), "python3 -c 'import sys,zipfile\nwith zipfile.ZipFile(sys.argv[1],\"w\",8) as z: "
		"z.writestr(\"a\",bytes(60*1024*1024)+bytes.fromhex(sys.argv[2]))' %s ", dir);
	text_hex(fixture_eicar(), strlen(fixture_eicar()), command + strlen(command));
	assert_int_equal(system(command), 0);
	large.archive_ratio = 1000000;
	fd = open(dir, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	for (int i = 0; i < 2; i++) {
		/* Under its limit it is found; over it, it is not called clean. */
		large.archive_bytes = large.file_bytes = (i ? 50 : 100) * MIB;
		assert_int_equal(engine_load(&g, &large, fixture_tmp, &e), 0);
		w = walk_new(&large, &g, open(fixture_tmp, O_RDONLY | O_DIRECTORY));
		memset(&a, 0, sizeof(a));
		worker_scan(&large, &g, w, fd, (uint64_t)st.st_size, clock_mono_ms() + 120000, &a);
		assert_string_equal(word(&a), i ? "limit" : "infected");
		walk_free(w);
		engine_unload(&g);
	}
	close(fd);
}

/* At the beginning, inside, at the end, and not at all: as with few signatures, which have another matcher. */
static void
many_signatures(void **state)
{
	size_t n = strlen(fixture_eicar()), size = 100000, at[] = { 0, 1, 50000, size - n, size };
	unsigned char *bytes = malloc(size + n);
	struct engine many;
	char path[128];
	struct err e = { 0 };
	struct walk *w;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/many.ndb", fixture_signatures);
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 200; i++)
		fprintf(f, "Mantua.Many-%d:0:*:%08x6d616e7475612e%08x\n", i, i * 0x9e3779b1u, i * 0x85ebca6bu);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(engine_load(&many, &options, fixture_tmp, &e), 0);
	assert_int_equal(remove(path), 0);
	assert_true(cl_engine_get_num(engine.cl, CL_ENGINE_AC_ONLY, NULL));
	assert_false(cl_engine_get_num(many.cl, CL_ENGINE_AC_ONLY, NULL));
	w = walk_new(&options, &many, open(fixture_tmp, O_RDONLY | O_DIRECTORY));
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct scan_answer a, b = { 0 };
		int fd;

		for (size_t k = 0; k < size; k++)
			bytes[k] = (unsigned char)(k * k >> 7);
		memcpy(bytes + at[i], fixture_eicar(), n);
		fd = fixture_file(bytes, size);
		a = scan_fd(fd, size);
		worker_scan(&options, &many, w, fd, size, clock_mono_ms() + 120000, &b);
		close(fd);
		assert_int_equal(a.verdict, at[i] < size ? SCAN_INFECTED : SCAN_CLEAN);
		assert_int_equal(b.verdict, a.verdict);
		assert_string_equal(b.text, a.text);
	}
	walk_free(w);
	engine_unload(&many);
	free(bytes);
}

/* Of exactly the limit, and one byte over it. */
static void
size_limits(void **state)
{
	uint64_t most = scan_options_largest(&options);
	int fd = fixture_file("x", 1);
	struct scan_answer a;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)most), 0);
	a = scan_fd(fd, most);
	assert_string_equal(word(&a), "clean");
	assert_int_equal(ftruncate(fd, (off_t)most + 1), 0);
	a = scan_fd(fd, most + 1);
	assert_string_equal(word(&a), "limit");
	/* Shorter or longer than it was said to be: nothing is known of it. */
	a = scan_fd(fd, most);
	assert_string_equal(word(&a), "error");
	assert_int_equal(ftruncate(fd, 10), 0);
	a = scan_fd(fd, 11);
	assert_string_equal(word(&a), "error");
	close(fd);
}

/* No place in a shared file is moved by looking at it. */
static void
place_is_kept(void **state)
{
	int fd = fixture_file(fixture_eicar(), strlen(fixture_eicar()));
	off_t before = lseek(fd, 0, SEEK_CUR);
	struct source s = { .fd = fd, .size = strlen(fixture_eicar()) };
	struct finding f;
	char type[SCAN_TYPE_MAX];
	bool whole;

	(void)state;
	/* Where it cannot be mapped, and where it is. */
	for (int mapped = 0; mapped < 2; mapped++) {
		if (mapped)
			assert_int_equal(source_map(&s), 0);
		type_of(&s, type, sizeof(type));
		assert_string_equal(type, mapped ? "text/plain" : "");
		finding_clear(&f);
		assert_int_equal(walk_file(walk, &s, clock_mono_ms() + 10000, &whole, &f), -1);
		assert_true(whole);
		assert_int_equal(f.verdict, SCAN_INFECTED);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), before);
	}
	source_unmap(&s);
	close(fd);
}

static void
out_of_time(void **state)
{
	struct scan_answer a = { 0 };
	int fd = fixture_file("text", 4);

	(void)state;
	worker_scan(&options, &engine, walk, fd, 4, clock_mono_ms() - 1, &a);
	assert_int_equal(a.verdict, SCAN_ERROR);
	assert_string_equal(a.text, "out of time");
	close(fd);
}

static void
types(void **state)
{
	static const struct {
		const char *bytes, *type;
		size_t n;
	} rows[] = {
		{ "%PDF-1.4\n", "application/pdf", 9 },
		{ "GIF89a\1\0\1\0\0\0\0", "image/gif", 13 },
		{ "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml", 62 },
		{ "", "application/x-empty", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = fixture_file(rows[i].bytes, rows[i].n);
		struct scan_answer a = scan_fd(fd, rows[i].n);

		assert_string_equal(a.type, rows[i].type);
		assert_int_equal(a.verdict, SCAN_CLEAN);
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(corpus), cmocka_unit_test(test_files), cmocka_unit_test(zip_trap),
		cmocka_unit_test(many_signatures), cmocka_unit_test(size_limits), cmocka_unit_test(place_is_kept), cmocka_unit_test(out_of_time), cmocka_unit_test(types) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
