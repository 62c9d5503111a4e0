/* Spools, the vault and the quarantine: limits, full disks, crashes between any two steps, tampering. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "core/config/config.h"
#include "core/file/vault.h"

static char dir[64], files[128];

/* In a child the n-th of these kills it: between any two steps that others could see. */

static int die_at, steps;

static void
step(void)
{
	if (die_at && ++steps == die_at)
		(void)kill(getpid(), SIGKILL);
}

int
fsync(int fd)
{
	step();
	return (int)syscall(SYS_fsync, fd);
}

int
linkat(int from, const char *name, int to, const char *as, int flags)
{
	step();
	return (int)syscall(SYS_linkat, from, name, to, as, flags);
}

int
unlinkat(int at, const char *name, int flags)
{
	step();
	return (int)syscall(SYS_unlinkat, at, name, flags);
}

int
fchmod(int fd, mode_t mode)
{
	step();
	return (int)syscall(SYS_fchmod, fd, mode);
}

/* Furniture */

static void
set_config(const char *where, uint64_t spool_bytes)
{
	struct err e = { 0 };
	char text[512];
	struct config *c;

	snprintf(text, sizeof(text), "hosts:\n  - domain: capulet.lit\n    certificate: c.pem\n    key: k.pem\ndatabase:\n  conninfo: dbname=x\n"
		"files:\n  dir: %s\nlimits:\n  spool_bytes: %llu\n", where, (unsigned long long)spool_bytes);
	c = config_parse("c.yaml", text, strlen(text), &e);
	if (!c)
		fail_msg("%s", e.text);
	config_set(c);
}

static void
start_vault(void)
{
	struct err e = { 0 };

	if (vault_start(&e))
		fail_msg("%s", e.text);
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
begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_vault_XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(files, sizeof(files), "%s/files", dir);
	set_config(files, 1 << 24);
	start_vault();
	return 0;
}

static int
end(void **state)
{
	(void)state;
	config_set(NULL);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct spool *
spool_of(const void *p, size_t n)
{
	struct err e = { 0 };
	struct spool *s = spool_new(n, &e);

	if (!s || spool_write(s, p, n, &e))
		fail_msg("%s", e.text);
	return s;
}

/* n bytes that no two seeds have in common. */
static uint8_t *
bytes(size_t n, unsigned seed)
{
	uint8_t *p = malloc(n + 1);
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (uint8_t)(x >> 24);
	}
	return p;
}

static const char *
path_of(const char *where, const uint8_t sha256[SHA256_SIZE])
{
	static char path[256];
	char hex[65];

	text_hex(sha256, SHA256_SIZE, hex);
	snprintf(path, sizeof(path), "%s/%s/%.2s/%s", files, where, hex, hex + 2);
	return path;
}

static bool
is_in(const char *where, const uint8_t sha256[SHA256_SIZE])
{
	return !access(path_of(where, sha256), F_OK);
}

/* What vault_open gives is this. */
static void
assert_kept(const uint8_t sha256[SHA256_SIZE], const uint8_t *p, size_t n)
{
	struct err e = { 0 };
	uint64_t size = 0;
	int fd = vault_open(sha256, &size, &e);
	uint8_t *got = malloc(n + 1);

	if (fd < 0)
		fail_msg("%s", e.text);
	assert_int_equal(size, n);
	assert_int_equal(pread(fd, got, n + 1, 0), n);
	assert_memory_equal(got, p, n);
	free(got);
	close(fd);
}

static unsigned
count_in(const char *where)
{
	char path[256];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", files, where);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* Spools */

static void
test_spool_hashes_what_it_gets(void **state)
{
	static const char text[] = "abc";
	uint8_t want[SHA256_SIZE];
	struct err e = { 0 };
	struct spool *s = spool_new(10, &e);
	char got[4];

	(void)state;
	assert_non_null(s);
	assert_int_equal(spool_total(), 10);
	assert_int_equal(spool_write(s, text, 1, &e), 0);
	assert_int_equal(spool_write(s, text + 1, 2, &e), 0);
	assert_int_equal(spool_size(s), 3);
	crypt_sha256(text, 3, want);
	assert_memory_equal(spool_sha256(s), want, SHA256_SIZE);
	assert_int_equal(spool_total(), 0);
	assert_int_equal(spool_write(s, text, 1, &e), -1);
	assert_int_equal(pread(spool_fd(s), got, 4, 0), 3);
	assert_int_equal(write(spool_fd(s), text, 1), -1);
	assert_int_equal(count_in("incoming"), 0);
	spool_free(s);
}

static void
test_spool_takes_no_more_than_announced(void **state)
{
	struct err e = { 0 };
	struct spool *s = spool_new(4, &e);

	(void)state;
	assert_int_equal(spool_write(s, "abcd", 4, &e), 0);
	assert_int_equal(spool_write(s, "", 0, &e), 0);
	assert_int_equal(spool_write(s, "e", 1, &e), -1);
	assert_int_equal(e.code, EFBIG);
	assert_int_equal(spool_write(s, "", 0, &e), -1);
	spool_free(s);
	assert_int_equal(spool_total(), 0);
}

static void
test_spools_together_are_bounded(void **state)
{
	struct err e = { 0 };
	struct spool *a, *b;

	(void)state;
	set_config(files, 1 << 20);
	a = spool_new(1 << 19, &e);
	b = spool_new(1 << 19, &e);
	assert_non_null(a);
	assert_non_null(b);
	assert_null(spool_new(1, &e));
	assert_int_equal(e.code, EAGAIN);
	assert_null(spool_new(UINT64_MAX, &e));
	/* What is known to be smaller than announced leaves room for others. */
	assert_int_equal(spool_write(a, "abc", 3, &e), 0);
	(void)spool_sha256(a);
	spool_free(b);
	b = spool_new((1 << 20) - 3, &e);
	assert_non_null(b);
	spool_free(a);
	spool_free(b);
	assert_int_equal(spool_total(), 0);
	set_config(files, 1 << 24);
}

static void
test_empty_spool(void **state)
{
	struct err e = { 0 };
	struct spool *s = spool_new(0, &e);
	uint8_t sha256[SHA256_SIZE];

	(void)state;
	crypt_sha256("", 0, sha256);
	assert_memory_equal(spool_sha256(s), sha256, SHA256_SIZE);
	assert_int_equal(vault_keep(s, &e), 0);
	assert_kept(sha256, (const uint8_t *)"", 0);
	assert_int_equal(quarantine_withdraw(sha256, &e), 0);
	assert_false(is_in("content", sha256));
	assert_int_equal(quarantine_release(sha256, &e), 0);
	assert_kept(sha256, (const uint8_t *)"", 0);
	assert_int_equal(vault_remove(sha256, &e), 0);
	spool_free(s);
}

/* A file that the system lets grow no further stands for a full disk: the same call fails, with the same consequences. */
static void
test_write_fails(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		struct rlimit small = { 100000, 100000 };
		uint8_t *p = bytes(200000, 1);
		struct err e = { 0 };
		struct spool *s = spool_new(200000, &e);

		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &small);
		if (!s || spool_write(s, p, 60000, &e) || !spool_write(s, p, 60000, &e) || e.code != EFBIG)
			_exit(1);
		spool_free(s);
		/* A quarantined file is a little larger than its content. */
		s = spool_new(99990, &e);
		if (!s || spool_write(s, p, 99990, &e) || !quarantine_put(s, &e) || is_in("quarantine", spool_sha256(s)))
			_exit(2);
		_exit(spool_total() ? 3 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A disk of 2 MiB, where we may make one. */
static void
test_full_disk(void **state)
{
	uint8_t *p = bytes(1 << 20, 2);
	char small[80], was[sizeof(files)];
	struct err e = { 0 };
	struct spool *a, *b;

	(void)state;
	snprintf(small, sizeof(small), "%s/small", dir);
	assert_int_equal(mkdir(small, 0700), 0);
	if (mount("tmpfs", small, "tmpfs", 0, "size=2m,mode=0700")) {
		free(p);
		skip();
	}
	memcpy(was, files, sizeof(was));
	snprintf(files, sizeof(files), "%s", small);
	set_config(small, 1 << 24);
	start_vault();
	assert_null(spool_new(4 << 20, &e));
	assert_int_equal(e.code, ENOSPC);
	a = spool_new(1 << 20, &e);
	assert_non_null(a);
	assert_int_equal(spool_write(a, p, 1 << 20, &e), 0);
	/* What others were promised counts. */
	b = spool_new(700000, &e);
	assert_non_null(b);
	assert_null(spool_new(700000, &e));
	spool_free(b);
	/* It fits once, but not once more in the quarantine. */
	assert_int_equal(vault_keep(a, &e), 0);
	p[0] ^= 1;
	b = spool_new(900000, &e);
	assert_non_null(b);
	assert_int_equal(spool_write(b, p, 900000, &e), 0);
	assert_int_equal(quarantine_put(b, &e), -1);
	assert_false(is_in("quarantine", spool_sha256(b)));
	assert_int_equal(quarantine_withdraw(spool_sha256(a), &e), -1);
	assert_true(is_in("content", spool_sha256(a)));
	spool_free(b);
	spool_free(a);
	memcpy(files, was, sizeof(files));
	set_config(files, 1 << 24);
	start_vault();
	assert_int_equal(umount(small), 0);
	free(p);
}

/* The vault */

static void
test_one_copy(void **state)
{
	uint8_t *p = bytes(70000, 3), sha256[SHA256_SIZE];
	struct spool *a = spool_of(p, 70000), *b = spool_of(p, 70000);
	struct err e = { 0 };
	struct stat first, second;
	uint64_t size;

	(void)state;
	memcpy(sha256, spool_sha256(a), SHA256_SIZE);
	assert_int_equal(vault_open(sha256, &size, &e), -1);
	assert_int_equal(e.code, ENOENT);
	assert_int_equal(vault_keep(a, &e), 0);
	assert_int_equal(stat(path_of("content", sha256), &first), 0);
	assert_int_equal(first.st_mode & 07777, 0400);
	assert_int_equal(vault_keep(b, &e), 0);
	assert_int_equal(stat(path_of("content", sha256), &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	spool_free(a);
	spool_free(b);
	assert_kept(sha256, p, 70000);
	assert_int_equal(vault_remove(sha256, &e), 0);
	assert_int_equal(vault_remove(sha256, &e), 0);
	assert_false(is_in("content", sha256));
	free(p);
}

static void
test_quarantine_is_unreadable(void **state)
{
	static const char text[] = "X5O!P%@AP[4 this stands for a virus, as long as nobody looks";
	struct spool *s = spool_of(text, sizeof(text));
	uint8_t sha256[SHA256_SIZE], raw[1024];
	struct err e = { 0 };
	ssize_t n;
	int fd;

	(void)state;
	memcpy(sha256, spool_sha256(s), SHA256_SIZE);
	assert_int_equal(quarantine_put(s, &e), 0);
	assert_int_equal(quarantine_put(s, &e), 0);
	spool_free(s);
	assert_false(is_in("content", sha256));
	fd = open(path_of("quarantine", sha256), O_RDONLY);
	n = read(fd, raw, sizeof(raw));
	close(fd);
	assert_true(n > (ssize_t)sizeof(text));
	assert_null(memmem(raw, (size_t)n, "virus", 5));
	assert_int_equal(quarantine_release(sha256, &e), 0);
	assert_kept(sha256, (const uint8_t *)text, sizeof(text));
	assert_false(is_in("quarantine", sha256));
	assert_int_equal(quarantine_withdraw(sha256, &e), 0);
	assert_false(is_in("content", sha256));
	assert_int_equal(quarantine_remove(sha256, &e), 0);
	assert_int_equal(quarantine_release(sha256, &e), -1);
}

static void
test_sizes_around_pieces(void **state)
{
	static const size_t sizes[] = { 1, 65535, 65536, 65537, 131072, 200001 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t *p = bytes(sizes[i], 10 + (unsigned)i);
		struct spool *s = spool_of(p, sizes[i]);
		struct err e = { 0 };

		assert_int_equal(quarantine_put(s, &e), 0);
		assert_int_equal(quarantine_release(spool_sha256(s), &e), 0);
		assert_kept(spool_sha256(s), p, sizes[i]);
		assert_int_equal(vault_remove(spool_sha256(s), &e), 0);
		spool_free(s);
		free(p);
	}
}

/* Written over in place, as somebody with the disk could. */
static void
overwrite(const char *path, off_t at, const void *p, size_t n)
{
	int fd;

	assert_int_equal(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, at), n);
	close(fd);
}

static void
assert_damaged(const uint8_t sha256[SHA256_SIZE])
{
	struct err e = { 0 };

	assert_int_equal(quarantine_release(sha256, &e), -1);
	assert_false(is_in("content", sha256));
	assert_true(is_in("quarantine", sha256));
}

static void
test_tampering_is_seen(void **state)
{
	enum { SIZE = 3 * 65536, HEAD = 76, STORED = HEAD + SIZE + 3 * 16, SEALED = 65536 + 16 };
	static const off_t places[] = { 0, 7, 8, 15, 16, 27, 28, 59, 60, 75, HEAD, HEAD + 65535, HEAD + 65536, HEAD + SEALED, STORED - 17, STORED - 1 };
	uint8_t *p = bytes(SIZE, 20), sha256[SHA256_SIZE], *raw = malloc(STORED), other;
	struct spool *s = spool_of(p, SIZE);
	struct err e = { 0 };
	char path[256];
	int fd;

	(void)state;
	memcpy(sha256, spool_sha256(s), SHA256_SIZE);
	assert_int_equal(quarantine_put(s, &e), 0);
	spool_free(s);
	snprintf(path, sizeof(path), "%s", path_of("quarantine", sha256));
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, raw, STORED), STORED);
	assert_int_equal(read(fd, &other, 1), 0);
	close(fd);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		other = raw[places[i]] ^ 0x10;
		overwrite(path, places[i], &other, 1);
		assert_damaged(sha256);
		overwrite(path, places[i], &raw[places[i]], 1);
	}
	/* Pieces change places; the last one is missing; one is there twice. */
	overwrite(path, HEAD, raw + HEAD + SEALED, SEALED);
	overwrite(path, HEAD + SEALED, raw + HEAD, SEALED);
	assert_damaged(sha256);
	overwrite(path, 0, raw, STORED);
	assert_int_equal(truncate(path, STORED - SEALED), 0);
	assert_damaged(sha256);
	overwrite(path, 0, raw, STORED);
	overwrite(path, STORED, raw, 1);
	assert_damaged(sha256);
	assert_int_equal(truncate(path, STORED), 0);
	assert_int_equal(quarantine_release(sha256, &e), 0);
	assert_kept(sha256, p, SIZE);
	assert_int_equal(vault_remove(sha256, &e), 0);
	free(raw);
	free(p);
}

static void
test_file_under_another_name_is_seen(void **state)
{
	uint8_t one[SHA256_SIZE], two[SHA256_SIZE];
	struct spool *a = spool_of("one", 3), *b = spool_of("two", 3);
	struct err e = { 0 };
	char from[256];

	(void)state;
	memcpy(one, spool_sha256(a), SHA256_SIZE);
	memcpy(two, spool_sha256(b), SHA256_SIZE);
	assert_int_equal(quarantine_put(a, &e), 0);
	snprintf(from, sizeof(from), "%s", path_of("quarantine", one));
	assert_int_equal(rename(from, path_of("quarantine", two)), 0);
	assert_damaged(two);
	assert_int_equal(quarantine_remove(two, &e), 0);
	spool_free(a);
	spool_free(b);
}

static void
test_key_is_kept(void **state)
{
	struct spool *s = spool_of("secret", 6);
	uint8_t sha256[SHA256_SIZE], key[33];
	struct err e = { 0 };
	struct stat st;
	char path[256];
	int fd;

	(void)state;
	memcpy(sha256, spool_sha256(s), SHA256_SIZE);
	assert_int_equal(quarantine_put(s, &e), 0);
	spool_free(s);
	snprintf(path, sizeof(path), "%s/quarantine.key", files);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	start_vault();
	/* Another key opens nothing. */
	fd = open(path, O_RDWR);
	assert_int_equal(read(fd, key, 32), 32);
	key[3] ^= 1;
	assert_int_equal(pwrite(fd, key, 32, 0), 32);
	start_vault();
	assert_damaged(sha256);
	key[3] ^= 1;
	assert_int_equal(pwrite(fd, key, 32, 0), 32);
	close(fd);
	/* Nor is one taken that others can read. */
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(vault_start(&e), -1);
	assert_int_equal(chmod(path, 0600), 0);
	start_vault();
	assert_int_equal(quarantine_release(sha256, &e), 0);
	assert_int_equal(vault_remove(sha256, &e), 0);
}

static void
test_folder_must_be_ours(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(chmod(files, 0750), 0);
	assert_int_equal(vault_start(&e), -1);
	assert_non_null(strstr(e.text, "0700"));
	assert_int_equal(chmod(files, 0700), 0);
	start_vault();
}

static void
test_sweep_leaves_what_was_touched(void **state)
{
	struct spool *s = spool_of("nobody's", 8);
	uint8_t sha256[SHA256_SIZE], found[4][SHA256_SIZE];
	struct err e = { 0 };
	struct stat st;

	(void)state;
	memcpy(sha256, spool_sha256(s), SHA256_SIZE);
	assert_int_equal(vault_keep(s, &e), 0);
	assert_int_equal(stat(path_of("content", sha256), &st), 0);
	assert_int_equal(vault_list(false, sha256[0], st.st_ctime, found, 4, &e), 0);
	assert_int_equal(vault_list(true, sha256[0], st.st_ctime + 1, found, 4, &e), 0);
	assert_int_equal(vault_list(false, (uint8_t)(sha256[0] + 1), st.st_ctime + 1, found, 4, &e), 0);
	assert_int_equal(vault_list(false, sha256[0], st.st_ctime + 1, found, 4, &e), 1);
	assert_memory_equal(found[0], sha256, SHA256_SIZE);
	assert_false(vault_sweep(false, sha256, st.st_ctime));
	assert_kept(sha256, (const uint8_t *)"nobody's", 8);
	/* Kept once more is touched. */
	while (time(NULL) <= st.st_ctime)
		usleep(10000);
	assert_int_equal(vault_keep(s, &e), 0);
	assert_false(vault_sweep(false, sha256, st.st_ctime + 1));
	assert_true(vault_sweep(false, sha256, st.st_ctime + 60));
	assert_false(is_in("content", sha256));
	spool_free(s);
}

/* Crashes */

enum act { KEEP, PUT, WITHDRAW, RELEASE };

static int
run_act(enum act act, struct spool *s, struct err *e)
{
	switch (act) {
	case KEEP:
		return vault_keep(s, e);
	case PUT:
		return quarantine_put(s, e);
	case WITHDRAW:
		return quarantine_withdraw(spool_sha256(s), e);
	default:
		return quarantine_release(spool_sha256(s), e);
	}
}

/* In a child that dies at its n-th step; false: it came to its end. */
static bool
crashes_at(enum act act, struct spool *s, int n)
{
	pid_t child = fork();
	int status;

	if (!child) {
		struct err e = { 0 };

		die_at = n;
		_exit(run_act(act, s, &e) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* Whatever is there is whole, in one place at least where it was in one before, and the same act ends what was begun. */
static void
check_crashes(enum act act, unsigned seed)
{
	size_t n = 100000;
	uint8_t *p = bytes(n, seed), sha256[SHA256_SIZE];
	struct err e = { 0 };
	bool crashed = true;
	int at = 0;

	while (crashed) {
		struct spool *s = spool_of(p, n);

		memcpy(sha256, spool_sha256(s), SHA256_SIZE);
		if (act == WITHDRAW)
			assert_int_equal(vault_keep(s, &e), 0);
		if (act == RELEASE)
			assert_int_equal(quarantine_put(s, &e), 0);
		crashed = crashes_at(act, s, ++at);
		if (is_in("content", sha256))
			assert_kept(sha256, p, n);
		if (act >= WITHDRAW)
			assert_true(is_in("content", sha256) || is_in("quarantine", sha256));
		if (run_act(act, s, &e))
			fail_msg("%s", e.text);
		assert_int_equal(is_in("content", sha256), act == KEEP || act == RELEASE);
		assert_int_equal(is_in("quarantine", sha256), act == PUT || act == WITHDRAW);
		if (is_in("quarantine", sha256))
			assert_int_equal(quarantine_release(sha256, &e), 0);
		assert_kept(sha256, p, n);
		assert_int_equal(vault_remove(sha256, &e), 0);
		spool_free(s);
	}
	/* It did die in between. */
	assert_true(at >= 4);
	assert_int_equal(count_in("incoming"), 0);
	free(p);
}

static void
test_crash_while_keeping(void **state)
{
	(void)state;
	check_crashes(KEEP, 30);
}

static void
test_crash_while_quarantining(void **state)
{
	(void)state;
	check_crashes(PUT, 31);
}

static void
test_crash_while_withdrawing(void **state)
{
	(void)state;
	check_crashes(WITHDRAW, 32);
}

static void
test_crash_while_releasing(void **state)
{
	(void)state;
	check_crashes(RELEASE, 33);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool_hashes_what_it_gets),
		cmocka_unit_test(test_spool_takes_no_more_than_announced),
		cmocka_unit_test(test_spools_together_are_bounded),
		cmocka_unit_test(test_empty_spool),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_one_copy),
		cmocka_unit_test(test_quarantine_is_unreadable),
		cmocka_unit_test(test_sizes_around_pieces),
		cmocka_unit_test(test_tampering_is_seen),
		cmocka_unit_test(test_file_under_another_name_is_seen),
		cmocka_unit_test(test_key_is_kept),
		cmocka_unit_test(test_folder_must_be_ours),
		cmocka_unit_test(test_sweep_leaves_what_was_touched),
		cmocka_unit_test(test_crash_while_keeping),
		cmocka_unit_test(test_crash_while_quarantining),
		cmocka_unit_test(test_crash_while_withdrawing),
		cmocka_unit_test(test_crash_while_releasing),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
