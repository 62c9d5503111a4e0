/*
 * scanner_folder: where the program unpacks. Below files.dir, or where files.scanner_folder says, as long as there is room for all that it may
 * ever take: it may be memory, which others need, too. `auto` is memory where that is plentiful: each scan makes and removes a folder, for which
 * a disk is slow.
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
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/text.h"
#include "core/file/scanner_priv.h"

#define UNPACKED 4                        /* times limits.archive_bytes, for each worker (measure() in server/scan/nursery.c) */
#define LOADING ((uint64_t)1536 << 20)    /* the official signatures, unpacked while they load, and some */
#define AUTO "/dev/shm"
#define SHARE 2                           /* of memory: as much as Linux lets /dev/shm be, but of what is ours */

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

static uint64_t
most_taken(const struct config *c)
{
	return c->files.workers * (UNPACKED * c->limits.archive_bytes + c->limits.file_bytes) + LOADING;
}

/* The limit of one control group, and of those that it lies in: `name` of the folder `path` below `root` and of all above it. */
static uint64_t
group_limit(const char *root, char *path, const char *name, uint64_t least)
{
	char file[PATH_MAX], text[32];
	uint64_t n;

	for (char *end = path + strlen(path); end; end = strrchr(path, '/')) {
		FILE *f;

		*end = '\0';
		snprintf(file, sizeof(file), "%s%s/%s", root, path, name);
		f = fopen(file, "re");
		if (!f)
			continue;
		/* "max" is no number. */
		if (fgets(text, sizeof(text), f) && text_u64(text, strcspn(text, "\n"), 0, UINT64_MAX, &n) && n < least)
			least = n;
		(void)fclose(f);
	}
	return least;
}

/* Memory of the machine, or what of it this process may have (cgroups(7), both versions); 0: not known. Neither needs /proc/meminfo, which the unit hides. */
static uint64_t
memory_is(void)
{
	char line[PATH_MAX];
	struct sysinfo all;
	uint64_t least;
	FILE *f;

	if (sysinfo(&all))
		return 0;
	least = (uint64_t)all.totalram * all.mem_unit;
	f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		char *path = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (path && strncmp(line, "0::", 3) == 0)
			least = group_limit("/sys/fs/cgroup", path, "memory.max", least);
		else if (path && strstr(line, ":memory:"))
			least = group_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", least);
	}
	(void)fclose(f);
	return least;
}

static int
check_memory(const struct config *c, struct err *e)
{
	uint64_t most = most_taken(c), memory = memory_is();

	if (memory / SHARE < most)
		return err_set(e, ENOMEM, "half of the memory (%llu MiB) is less than the %llu MiB that all workers may take (files.workers, limits.archive_bytes)",
			(unsigned long long)(memory >> 20), (unsigned long long)(most >> 20));
	return 0;
}

static int
check_room(const struct config *c, const char *where, struct err *e)
{
	uint64_t most = most_taken(c);
	struct statvfs v;

	if (statvfs(where, &v))
		return err_set(e, errno, "%s: %s", where, strerror(errno));
	if ((uint64_t)v.f_bavail * v.f_frsize < most)
		return err_set(e, ENOSPC, "less than %llu MiB are free there (files.workers, limits.archive_bytes)", (unsigned long long)(most >> 20));
	return 0;
}

/* The same after each start, so that what was left is found: by the folder of files, which only one server has. */
static int
choose(const struct config *c, const char *where, char path[PATH_MAX], struct err *e)
{
	char dir[PATH_MAX], name[2 * 8 + 1];
	uint8_t sum[SHA256_SIZE];

	if (!realpath(c->files.dir, dir))
		return err_set(e, errno, "%s: %s", c->files.dir, strerror(errno));
	crypt_sha256(dir, strlen(dir), sum);
	text_hex(sum, 8, name);
	if (snprintf(path, PATH_MAX, "%s/chancery-scan-%s", where, name) >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "its name is too long");
	if (make(path, e) || check_ours(path, e))
		return -1;
	clear(path);
	if (!check_room(c, path, e))
		return 0;
	(void)rmdir(path);
	return -1;
}

/* Nobody has asked for `auto`: that it is not used is no trouble. */
static bool
is_elsewhere(const struct config *c, char path[PATH_MAX], struct err *e)
{
	const char *where = c->files.scanner_folder;
	bool is_auto = strcmp(where, "auto") == 0;

	if (!*where)
		return false;
	if (is_auto)
		where = AUTO;
	if ((!is_auto || !check_memory(c, e)) && !choose(c, where, path, e))
		return true;
	log_event(is_auto ? LOG_INFO : LOG_WARNING, NULL, "scanner-folder-not-used", "folder=%s why=%s effect=%s", where, e->text, "files.dir is used");
	return false;
}

int
scanner_folder_make(struct scanner_folder *f, const struct config *c, struct err *e)
{
	if (make(c->files.dir, e))
		return -1;
	f->elsewhere = is_elsewhere(c, f->path, e);
	if (f->elsewhere)
		return 0;
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
