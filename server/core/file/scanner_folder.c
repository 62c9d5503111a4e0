/*
 * scanner_folder: where the program unpacks. Below files.dir, or where files.scanner_folder says, as long as there is room for all that it may
 * ever take: it may be memory, which others need, too.
 *
 * What is in the folder is removed. So it is always one of our own making, by a name that nobody else has, and never the one that was set.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/text.h"
#include "core/file/scanner_priv.h"

#define UNPACKED 4                        /* times limits.archive_bytes, for each worker (measure() in server/scan/nursery.c) */
#define LOADING ((uint64_t)1536 << 20)    /* the official signatures, unpacked while they load, and some */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	if (at->level > 0)
		(void)remove(path);
	return 0;
}

/* What a program that was killed has left. */
static void
clear(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int
make(const char *path, struct err *e)
{
	return mkdir(path, 0700) && errno != EEXIST ? err_set(e, errno, "%s: %s", path, strerror(errno)) : 0;
}

/* Others may write into /dev/shm, and be there before us. */
static int
check_ours(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st))
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return err_set(e, EPERM, "%s is somebody else's", path);
	return 0;
}

static int
check_room(const struct config *c, const char *where, struct err *e)
{
	uint64_t most = c->files.workers * (UNPACKED * c->limits.archive_bytes + c->limits.file_bytes) + LOADING;
	struct statvfs v;

	if (statvfs(where, &v))
		return err_set(e, errno, "%s: %s", where, strerror(errno));
	if ((uint64_t)v.f_bavail * v.f_frsize < most)
		return err_set(e, ENOSPC, "less than %llu MiB are free there (files.workers, limits.archive_bytes)", (unsigned long long)(most >> 20));
	return 0;
}

/* The same after each start, so that what was left is found: by the folder of files, which only one server has. */
static int
choose(const struct config *c, char path[PATH_MAX], struct err *e)
{
	char dir[PATH_MAX], name[2 * 8 + 1];
	uint8_t sum[SHA256_SIZE];

	if (!realpath(c->files.dir, dir))
		return err_set(e, errno, "%s: %s", c->files.dir, strerror(errno));
	crypt_sha256(dir, strlen(dir), sum);
	text_hex(sum, 8, name);
	if (snprintf(path, PATH_MAX, "%s/chancery-scan-%s", c->files.scanner_folder, name) >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "its name is too long");
	if (make(path, e) || check_ours(path, e))
		return -1;
	clear(path);
	if (!check_room(c, path, e))
		return 0;
	(void)rmdir(path);
	return -1;
}

int
scanner_folder_make(struct scanner_folder *f, const struct config *c, struct err *e)
{
	if (make(c->files.dir, e))
		return -1;
	f->elsewhere = *c->files.scanner_folder && !choose(c, f->path, e);
	if (f->elsewhere)
		return 0;
	if (*c->files.scanner_folder)
		log_warning(NULL, "scanner-folder-not-used", "folder=%s why=%s effect=%s", c->files.scanner_folder, e->text, "files.dir is used");
	snprintf(f->path, sizeof(f->path), "%s/scan", c->files.dir);
	if (make(f->path, e))
		return -1;
	clear(f->path);
	return 0;
}

void
scanner_folder_leave(struct scanner_folder *f)
{
	if (!f->elsewhere)
		return;
	clear(f->path);
	(void)rmdir(f->path);
	f->elsewhere = false;
}
