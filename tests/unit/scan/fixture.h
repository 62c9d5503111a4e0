/*
 * fixture: a temporary folder with a small set of signatures (the EICAR test string, the file of clamav-testfiles), and files made on the spot.
 */
#ifndef TESTS_UNIT_SCAN_FIXTURE_H
#define TESTS_UNIT_SCAN_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/text.h"

static char fixture_dir[64], fixture_signatures[80], fixture_tmp[80];

/* In two halves: the tree must not look infected. */
static inline const char *
fixture_eicar(void)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*");
	return text;
}

static inline void
fixture_write(const char *path, const void *data, size_t n)
{
	char part[256];
	FILE *f;

	/* Beside and then renamed, as freshclam does. */
	snprintf(part, sizeof(part), "%s.part", path);
	f = fopen(part, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(part, path), 0);
}

/* A signature of these bytes anywhere in a file. */
static inline void
fixture_sign(const char *file, const char *name, const char *bytes)
{
	char path[160], line[512], hex[400];

	text_hex(bytes, strlen(bytes), hex);
	snprintf(path, sizeof(path), "%s/%s", fixture_signatures, file);
	snprintf(line, sizeof(line), "%s:0:*:%s\n", name, hex);
	fixture_write(path, line, strlen(line));
}

static inline void
fixture_make(void)
{
	static const char test_file[] = "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n";
	char path[128];

	strcpy(fixture_dir, "/tmp/chancery-scan-XXXXXX");
	assert_non_null(mkdtemp(fixture_dir));
	snprintf(fixture_signatures, sizeof(fixture_signatures), "%s/signatures", fixture_dir);
	snprintf(fixture_tmp, sizeof(fixture_tmp), "%s/tmp", fixture_dir);
	assert_int_equal(mkdir(fixture_signatures, 0700), 0);
	assert_int_equal(mkdir(fixture_tmp, 0700), 0);
	fixture_sign("eicar.ndb", "Eicar-Test-Signature", fixture_eicar());
	snprintf(path, sizeof(path), "%s/test.hdb", fixture_signatures);
	fixture_write(path, test_file, sizeof(test_file) - 1);
}

static inline void
fixture_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", fixture_dir);
	assert_int_equal(system(command), 0);
}

/* A file without a name; the caller closes it. */
static inline int
fixture_file(const void *data, size_t n)
{
	int fd = open(fixture_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	return fd;
}

#endif
