/*
 * spool: unnamed files, and the account of how much they may still take. `reserved` is what all spools were promised, `written` what of it
 * is on disk already: the difference must still fit there.
 */
#include "core/file/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/config/config.h"
#include "core/file/vault_priv.h"

/* So many bytes are handed to the disk while more are coming: the fsync at the end finds little to do. */
#define EARLY (1u << 20)

struct spool {
	int write_fd, read_fd;
	uint64_t max, size, given; /* given to the disk so far */
	struct crypt_hasher *hasher;
	uint8_t sha256[SHA256_SIZE];
	bool broken;
};

static _Atomic uint64_t reserved, written;

uint64_t
spool_total(void)
{
	uint64_t r = atomic_load(&reserved), w = atomic_load(&written);

	return r > w ? r - w : 0;
}

static bool
reserve(uint64_t n, uint64_t limit)
{
	uint64_t was = atomic_load(&reserved);

	do {
		if (was > limit || n > limit - was)
			return false;
	} while (!atomic_compare_exchange_weak(&reserved, &was, was + n));
	return true;
}

/* After the reservation, which is part of what is still to come. */
static bool
disk_has_room(void)
{
	struct statvfs v;

	return vault_folder(VAULT_INCOMING) >= 0 && !fstatvfs(vault_folder(VAULT_INCOMING), &v) &&
		(uint64_t)v.f_bavail * v.f_frsize > spool_total();
}

static int
open_files(struct spool *s, struct err *e)
{
	char self[40];

	s->write_fd = vault_unnamed(VAULT_INCOMING, e);
	if (s->write_fd < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", s->write_fd);
	s->read_fd = open(self, O_RDONLY | O_CLOEXEC);
	return s->read_fd < 0 ? err_set(e, errno, "a file cannot be opened: %s", strerror(errno)) : 0;
}

struct spool *
spool_new(uint64_t max, struct err *e)
{
	struct config *c = config_get();
	uint64_t limit = c->limits.spool_bytes;
	struct spool *s;

	config_unref(c);
	if (!reserve(max, limit)) {
		err_set(e, EAGAIN, "too many files are being received at the moment (limits.spool_bytes)");
		return NULL;
	}
	s = NEW(struct spool);
	s->max = max;
	s->write_fd = s->read_fd = -1;
	s->hasher = crypt_hasher_new();
	if (!disk_has_room())
		err_set(e, ENOSPC, "the disk for files is full");
	else if (!open_files(s, e))
		return s;
	spool_free(s);
	return NULL;
}

int
spool_extend(struct spool *s, uint64_t max, struct err *e)
{
	struct config *c = config_get();
	uint64_t limit = c->limits.spool_bytes, more = max - s->max;

	config_unref(c);
	if (!reserve(more, limit))
		return err_set(e, EAGAIN, "too many files are being received at the moment (limits.spool_bytes)");
	if (!disk_has_room()) {
		atomic_fetch_sub(&reserved, more);
		return err_set(e, ENOSPC, "the disk for files is full");
	}
	s->max = max;
	return 0;
}

static void
give_early(struct spool *s)
{
	if (s->size - s->given < EARLY)
		return;
	(void)sync_file_range(s->write_fd, (off_t)s->given, (off_t)(s->size - s->given), SYNC_FILE_RANGE_WRITE);
	s->given = s->size;
}

int
spool_write(struct spool *s, const void *p, size_t n, struct err *e)
{
	if (s->broken || !s->hasher)
		return err_set(e, EINVAL, "the file is closed");
	s->broken = true;
	if (n > s->max - s->size)
		return err_set(e, EFBIG, "more than the %" PRIu64 " bytes that were announced", s->max);
	if (vault_write(s->write_fd, p, n, e))
		return err_prefix(e, "the file could not be stored");
	s->broken = false;
	crypt_hasher_add(s->hasher, p, n);
	s->size += n;
	atomic_fetch_add(&written, n);
	give_early(s);
	return 0;
}

uint64_t
spool_size(const struct spool *s)
{
	return s->size;
}

const uint8_t *
spool_sha256(struct spool *s)
{
	if (s->hasher) {
		crypt_hasher_end(s->hasher, s->sha256);
		s->hasher = NULL;
		atomic_fetch_sub(&reserved, s->max - s->size);
		s->max = s->size;
	}
	return s->sha256;
}

int
spool_fd(const struct spool *s)
{
	return s->read_fd;
}

void
spool_free(struct spool *s)
{
	if (!s)
		return;
	if (s->write_fd >= 0)
		(void)close(s->write_fd);
	if (s->read_fd >= 0)
		(void)close(s->read_fd);
	crypt_hasher_end(s->hasher, NULL);
	atomic_fetch_sub(&written, s->size);
	atomic_fetch_sub(&reserved, s->max);
	free(s);
}
