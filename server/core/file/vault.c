/*
 * vault: folders, names and durability of what is kept. A file has no name until all of it is on disk; its name is on disk before
 * anybody is told that it is kept.
 */
#include "core/file/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "core/config/config.h"
#include "core/file/vault_priv.h"

#define NAME_SIZE (2 * SHA256_SIZE + 2) /* "AB/CDEF…" and the NUL */

static int folder[VAULT_FOLDERS] = { -1, -1, -1 };
/* By the first byte of the hash: between asking how old a file is and removing it nobody finds it. */
static pthread_mutex_t name_lock[256] = { [0 ... 255] = PTHREAD_MUTEX_INITIALIZER };

int
vault_folder(enum vault_folder f)
{
	return folder[f];
}

/* Start */

static int
check_folder(int fd, const char *name, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(e, errno, "%s: %s", name, strerror(errno));
	if (st.st_uid != geteuid())
		return err_set(e, EPERM, "%s belongs to somebody else (uid %ld)", name, (long)st.st_uid);
	if ((st.st_mode & 07777) != 0700)
		return err_set(e, EPERM, "%s must have mode 0700: files of users are in it", name);
	return 0;
}

/* Below `at`; made when it is not there. -1. */
static int
open_folder(int at, const char *name, struct err *e)
{
	int fd;

	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return err_set(e, errno, "%s: %s", name, strerror(errno));
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "%s: %s", name, strerror(errno));
	if (check_folder(fd, name, e)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int
make_bins(int fd, struct err *e)
{
	char bin[3];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(bin, sizeof(bin), "%02x", i);
		if (mkdirat(fd, bin, 0700) && errno != EEXIST)
			return err_set(e, errno, "%s: %s", bin, strerror(errno));
	}
	return fsync(fd) ? err_set(e, errno, "%s", strerror(errno)) : 0;
}

static int
open_all(int dir, struct err *e)
{
	static const char *const names[] = { "incoming", "content", "quarantine" };

	for (unsigned i = 0; i < VAULT_FOLDERS; i++) {
		int fd = open_folder(dir, names[i], e);

		if (fd < 0)
			return -1;
		if (folder[i] >= 0)
			(void)close(folder[i]);
		folder[i] = fd;
		if (i != VAULT_INCOMING && make_bins(fd, e))
			return -1;
	}
	return fsync(dir) ? err_set(e, errno, "%s", strerror(errno)) : 0;
}

/* Some file systems have no unnamed files: better known at the start. */
static int
try_unnamed(struct err *e)
{
	int fd = vault_unnamed(VAULT_INCOMING, e);

	if (fd < 0)
		return -1;
	(void)close(fd);
	return 0;
}

int
vault_start(struct err *e)
{
	struct config *c = config_get();
	int dir = open_folder(AT_FDCWD, c->files.dir, e), rc = -1;

	if (dir >= 0) {
		rc = open_all(dir, e);
		(void)close(dir);
	}
	if (!rc)
		rc = try_unnamed(e);
	if (!rc)
		rc = quarantine_start(c->files.dir, c->files.quarantine_key, e);
	if (rc)
		err_prefix(e, "files.dir %s", c->files.dir);
	config_unref(c);
	return rc;
}

/* Files */

static void
name_of(const uint8_t sha256[SHA256_SIZE], char out[NAME_SIZE])
{
	char hex[2 * SHA256_SIZE + 1];

	text_hex(sha256, SHA256_SIZE, hex);
	snprintf(out, NAME_SIZE, "%.2s/%s", hex, hex + 2);
}

int
vault_unnamed(enum vault_folder f, struct err *e)
{
	int fd = folder[f] < 0 ? -1 : openat(folder[f], ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (folder[f] < 0)
		return err_set(e, ENOENT, "no place for files");
	return fd < 0 ? err_set(e, errno, "a file cannot be made: %s", strerror(errno)) : fd;
}

int
vault_write(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t did = write(fd, at, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return err_set(e, did < 0 ? errno : EIO, "%s", strerror(did < 0 ? errno : EIO));
		at += did;
		n -= (size_t)did;
	}
	return 0;
}

int
vault_read(int fd, void *p, size_t n, uint64_t at, struct err *e)
{
	char *to = p;

	while (n) {
		ssize_t did = pread(fd, to, n, (off_t)at);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return err_set(e, errno, "%s", strerror(errno));
		if (!did)
			return err_set(e, EIO, "the file is shorter than it was");
		to += did;
		at += (uint64_t)did;
		n -= (size_t)did;
	}
	return 0;
}

/* The folder of a name, opened. They are all made at the start; one that somebody has taken away since is made again when `make`. */
static int
open_bin(enum vault_folder f, const char name[NAME_SIZE], bool make, struct err *e)
{
	char bin[3] = { name[0], name[1], '\0' };
	int fd = openat(folder[f], bin, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && make) {
		if ((mkdirat(folder[f], bin, 0700) && errno != EEXIST) || fsync(folder[f]))
			return err_set(e, errno, "%s", strerror(errno));
		fd = openat(folder[f], bin, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd < 0 ? err_set(e, errno, "%s", strerror(errno)) : fd;
}

int
vault_link(enum vault_folder f, int fd, const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	char name[NAME_SIZE], self[40];
	int bin, rc = 0;

	name_of(sha256, name);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fchmod(fd, 0400) || fsync(fd))
		return err_set(e, errno, "%s", strerror(errno));
	bin = open_bin(f, name, true, e);
	if (bin < 0)
		return -1;
	pthread_mutex_lock(&name_lock[sha256[0]]);
	if (linkat(AT_FDCWD, self, bin, name + 3, AT_SYMLINK_FOLLOW) && (errno != EEXIST || fchmodat(bin, name + 3, 0400, 0)))
		rc = err_set(e, errno, "%s", strerror(errno));
	pthread_mutex_unlock(&name_lock[sha256[0]]);
	if (!rc && fsync(bin))
		rc = err_set(e, errno, "%s", strerror(errno));
	(void)close(bin);
	return rc;
}

bool
vault_has(enum vault_folder f, const uint8_t sha256[SHA256_SIZE])
{
	char name[NAME_SIZE];
	struct stat st;
	struct err e;
	bool has;
	int bin;

	name_of(sha256, name);
	bin = folder[f] < 0 ? -1 : open_bin(f, name, false, &e);
	if (bin < 0)
		return false;
	pthread_mutex_lock(&name_lock[sha256[0]]);
	/* Touched: whoever asks is about to refer to it (vault_sweep). */
	has = !fstatat(bin, name + 3, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) && !fchmodat(bin, name + 3, 0400, 0);
	pthread_mutex_unlock(&name_lock[sha256[0]]);
	has = has && !fsync(bin);
	(void)close(bin);
	return has;
}

int
vault_open_in(enum vault_folder f, const uint8_t sha256[SHA256_SIZE], uint64_t *size, struct err *e)
{
	char name[NAME_SIZE];
	struct stat st;
	int fd;

	if (folder[f] < 0)
		return err_set(e, ENOENT, "no place for files");
	name_of(sha256, name);
	fd = openat(folder[f], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "%s", strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return err_set(e, EIO, "is no file");
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

int
vault_unlink(enum vault_folder f, const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	char name[NAME_SIZE];
	int bin, rc = 0;

	if (folder[f] < 0)
		return err_set(e, ENOENT, "no place for files");
	name_of(sha256, name);
	bin = open_bin(f, name, false, e);
	if (bin < 0)
		return e->code == ENOENT ? 0 : -1;
	if ((unlinkat(bin, name + 3, 0) && errno != ENOENT) || fsync(bin))
		rc = err_set(e, errno, "%s", strerror(errno));
	(void)close(bin);
	return rc;
}

/* What others see */

int
vault_keep(struct spool *s, struct err *e)
{
	const uint8_t *sha256 = spool_sha256(s);

	if (vault_has(VAULT_CONTENT, sha256))
		return 0;
	return vault_link(VAULT_CONTENT, spool_fd(s), sha256, e) ? err_prefix(e, "the file could not be kept") : 0;
}

int
vault_open(const uint8_t sha256[SHA256_SIZE], uint64_t *size, struct err *e)
{
	return vault_open_in(VAULT_CONTENT, sha256, size, e);
}

int
vault_remove(const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	return vault_unlink(VAULT_CONTENT, sha256, e);
}

/* What nobody refers to */

static bool
is_old(int bin, const char *name, int64_t before_s)
{
	struct stat st;

	return !fstatat(bin, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) && st.st_ctime < before_s;
}

size_t
vault_list(bool quarantine, uint8_t first, int64_t before_s, uint8_t (*out)[SHA256_SIZE], size_t max, struct err *e)
{
	char name[NAME_SIZE];
	uint8_t sha256[SHA256_SIZE] = { first };
	struct dirent *entry;
	size_t n = 0;
	DIR *d;
	int bin;

	name_of(sha256, name);
	bin = open_bin(quarantine ? VAULT_QUARANTINE : VAULT_CONTENT, name, true, e);
	d = bin < 0 ? NULL : fdopendir(bin);
	if (!d) {
		if (bin >= 0)
			(void)close(bin);
		return 0;
	}
	while (n < max && (entry = readdir(d))) {
		if (strlen(entry->d_name) != NAME_SIZE - 4 || text_unhex(entry->d_name, NAME_SIZE - 4, sha256 + 1) != SHA256_SIZE - 1)
			continue;
		if (is_old(bin, entry->d_name, before_s))
			memcpy(out[n++], sha256, SHA256_SIZE);
	}
	(void)closedir(d);
	return n;
}

bool
vault_sweep(bool quarantine, const uint8_t sha256[SHA256_SIZE], int64_t before_s)
{
	char name[NAME_SIZE];
	struct err e;
	bool gone;
	int bin;

	name_of(sha256, name);
	bin = open_bin(quarantine ? VAULT_QUARANTINE : VAULT_CONTENT, name, false, &e);
	if (bin < 0)
		return false;
	pthread_mutex_lock(&name_lock[sha256[0]]);
	gone = is_old(bin, name + 3, before_s) && !unlinkat(bin, name + 3, 0);
	pthread_mutex_unlock(&name_lock[sha256[0]]);
	(void)close(bin);
	return gone;
}
