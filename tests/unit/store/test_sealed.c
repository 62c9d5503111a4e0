/* Secrets under a key in a file: made, exchanged, bound to whose they are, and refused when they have been touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sealed.h"

#define OWNER "irc\0romeo@example.org"
#define OWNER_LEN (sizeof(OWNER) - 1)

static char folder[] = "/tmp/chancery-sealed-XXXXXX", file[64];

static void
write_file(const char *text, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int
start(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)unlink(file);
	return sealed_start(file, &e);
}

static int
stop(void **state)
{
	(void)state;
	sealed_stop();
	return 0;
}

static void
seals_and_opens(void **state)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct sealed s, t;
	struct stat st;

	(void)state;
	assert_false(sealed_has_key());
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "s3cret", &s, &e), -1);
	assert_int_equal(sealed_make(&e), 0);
	assert_int_equal(sealed_make(&e), 0);
	assert_int_equal(sealed_key_id(), 1);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "s3cret", &s, &e), 0);
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "s3cret", &t, &e), 0);
	assert_string_not_equal(s.nonce, t.nonce);
	assert_string_not_equal(s.text, t.text);
	assert_string_equal(sealed_open(a, OWNER, OWNER_LEN, &s, &e), "s3cret");
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "", &t, &e), 0);
	assert_string_equal(sealed_open(a, OWNER, OWNER_LEN, &t, &e), "");
	/* A restart reads the same key. */
	assert_int_equal(sealed_start(file, &e), 0);
	assert_string_equal(sealed_open(a, OWNER, OWNER_LEN, &s, &e), "s3cret");
	arena_free(a);
}

static void
belongs_to_one(void **state)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct sealed s, bad;
	char *touched;

	(void)state;
	assert_int_equal(sealed_make(&e), 0);
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "s3cret", &s, &e), 0);
	assert_null(sealed_open(a, "irc\0juliet@example.org", 22, &s, &e));
	assert_null(sealed_open(a, "sms\0romeo@example.org", OWNER_LEN, &s, &e));
	bad = s;
	touched = arena_strdup(a, s.text);
	touched[0] = touched[0] == '0' ? '1' : '0';
	bad.text = touched;
	assert_null(sealed_open(a, OWNER, OWNER_LEN, &bad, &e));
	bad = s;
	bad.text = "00";
	assert_null(sealed_open(a, OWNER, OWNER_LEN, &bad, &e));
	bad = s;
	bad.nonce = "zz";
	assert_null(sealed_open(a, OWNER, OWNER_LEN, &bad, &e));
	bad = s;
	bad.key_id = 7;
	assert_null(sealed_open(a, OWNER, OWNER_LEN, &bad, &e));
	arena_free(a);
}

static void
exchanges_keys(void **state)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct sealed old, now;
	unsigned id = 0;

	(void)state;
	assert_int_equal(sealed_make(&e), 0);
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "s3cret", &old, &e), 0);
	assert_int_equal(sealed_new_key(&id, &e), 0);
	assert_int_equal(id, 2);
	assert_int_equal(sealed_seal(a, OWNER, OWNER_LEN, "s3cret", &now, &e), 0);
	assert_int_equal(now.key_id, 2);
	/* Both, also after a crash, until the old one is dropped. */
	assert_int_equal(sealed_start(file, &e), 0);
	assert_int_equal(sealed_key_id(), 2);
	assert_string_equal(sealed_open(a, OWNER, OWNER_LEN, &old, &e), "s3cret");
	assert_int_equal(sealed_keep_only(&old.key_id, 1, &e), 0);
	assert_string_equal(sealed_open(a, OWNER, OWNER_LEN, &old, &e), "s3cret");
	assert_int_equal(sealed_keep_only(NULL, 0, &e), 0);
	assert_null(sealed_open(a, OWNER, OWNER_LEN, &old, &e));
	assert_int_equal(sealed_start(file, &e), 0);
	assert_null(sealed_open(a, OWNER, OWNER_LEN, &old, &e));
	assert_string_equal(sealed_open(a, OWNER, OWNER_LEN, &now, &e), "s3cret");
	arena_free(a);
}

static void
wrong_files(void **state)
{
	static const char key[] = "1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
	struct err e = { 0 };

	(void)state;
	write_file(key, 0600);
	assert_int_equal(sealed_start(file, &e), 0);
	assert_int_equal(sealed_key_id(), 1);
	write_file(key, 0640);
	assert_int_equal(sealed_start(file, &e), -1);
	assert_non_null(strstr(e.text, "0600"));
	write_file("", 0600);
	assert_int_equal(sealed_start(file, &e), -1);
	write_file("1 0001\n", 0600);
	assert_int_equal(sealed_start(file, &e), -1);
	write_file("x 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600);
	assert_int_equal(sealed_start(file, &e), -1);
	write_file("0 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600);
	assert_int_equal(sealed_start(file, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(seals_and_opens, start, stop),
		cmocka_unit_test_setup_teardown(belongs_to_one, start, stop),
		cmocka_unit_test_setup_teardown(exchanges_keys, start, stop),
		cmocka_unit_test_setup_teardown(wrong_files, start, stop),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	snprintf(file, sizeof(file), "%s/gateways.key", folder);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(file);
	(void)rmdir(folder);
	return rc;
}
