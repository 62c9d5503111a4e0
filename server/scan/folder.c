/*
 * folder: see folder.h. Of nested folders only the way down is kept, as descriptors, to a bounded depth: libclamav makes two or three.
 */
#include "scan/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DEPTH 16
#define RESERVE ((uint64_t)512 << 20) /* of the disc; a fiftieth of a small one */

int
folder_new(int at, const char *name)
{
	if (mkdirat(at, name, 0700))
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

struct way {
	DIR *dirs[DEPTH];
	char names[DEPTH][256]; /* of dirs[i] in dirs[i - 1] */
	int depth;
};

static bool
descend(struct way *w, int at, const char *name)
{
	int fd;

	if (w->depth == DEPTH || strlen(name) >= sizeof(w->names[0]))
		return false;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	w->dirs[w->depth] = fdopendir(fd);
	if (!w->dirs[w->depth]) {
		close(fd);
		return false;
	}
	strcpy(w->names[w->depth++], name);
	return true;
}

static void
ascend(struct way *w)
{
	closedir(w->dirs[--w->depth]);
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int
folder_empty(int fd)
{
	struct way w = { .depth = 0 };
	struct dirent *d;
	int rc = 0;

	if (!descend(&w, fd, "."))
		return -1;
	while (w.depth > 0) {
		int here = dirfd(w.dirs[w.depth - 1]);

		d = readdir(w.dirs[w.depth - 1]);
		if (!d) {
			ascend(&w);
			if (w.depth > 0 && unlinkat(dirfd(w.dirs[w.depth - 1]), w.names[w.depth], AT_REMOVEDIR))
				rc = -1;
		} else if (!is_dots(d->d_name) && unlinkat(here, d->d_name, 0) && !descend(&w, here, d->d_name)) {
			rc = -1;
		}
	}
	return rc;
}

int
folder_remove(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	rc = folder_empty(fd);
	close(fd);
	return unlinkat(at, name, AT_REMOVEDIR) || rc ? -1 : 0;
}

uint64_t
folder_bytes(int fd, uint64_t enough)
{
	struct way w = { .depth = 0 };
	uint64_t bytes = 0;
	struct dirent *d;
	struct stat st;

	if (!descend(&w, fd, "."))
		return 0;
	while (w.depth > 0) {
		int here = dirfd(w.dirs[w.depth - 1]);

		d = bytes > enough ? NULL : readdir(w.dirs[w.depth - 1]);
		if (!d) {
			ascend(&w);
		} else if (!is_dots(d->d_name) && fstatat(here, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (!S_ISDIR(st.st_mode))
				bytes += (uint64_t)st.st_blocks * 512;
			else if (!descend(&w, here, d->d_name) && w.depth == DEPTH)
				bytes = UINT64_MAX;
		}
	}
	return bytes;
}

bool
folder_is_short(int fd)
{
	struct statfs st;
	uint64_t left, all;

	if (fstatfs(fd, &st) || !st.f_blocks)
		return false;
	left = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
	all = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	return left < (all / 50 < RESERVE ? all / 50 : RESERVE);
}
