/*
 * watch: see watch.h. freshclam writes beside and renames, an administrator copies in place: both end with a pause.
 */
#include "scan/watch.h"

#include <dirent.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "scan/engine.h"

#define SETTLE_MS 400
#define SETTLE_MOST_MS 10000
#define LOOK_MS 60000

void
watch_identify(struct watch *w, const char *path)
{
	struct stat st;

	memset(w, 0, sizeof(*w));
	w->path = path;
	w->fd = -1;
	if (stat(path, &st) == 0) {
		w->dev = (uint64_t)st.st_dev;
		w->ino = (uint64_t)st.st_ino;
	}
}

bool
watch_is_another(const struct watch *w)
{
	struct stat st;

	return stat(w->path, &st) == 0 && ((uint64_t)st.st_dev != w->dev || (uint64_t)st.st_ino != w->ino);
}

void
watch_start(struct watch *w)
{
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd >= 0)
		(void)inotify_add_watch(w->fd, w->path, IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
			IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB);
	w->look_ms = clock_mono_ms() + LOOK_MS;
}

void
watch_read(struct watch *w)
{
	char events[4096];

	while (read(w->fd, events, sizeof(events)) > 0)
		;
	w->last_ms = clock_mono_ms();
	if (!w->first_ms)
		w->first_ms = w->last_ms;
}

int64_t
watch_next_ms(const struct watch *w)
{
	int64_t settled = w->last_ms + SETTLE_MS;

	if (!w->first_ms)
		return w->look_ms;
	return settled < w->first_ms + SETTLE_MOST_MS ? settled : w->first_ms + SETTLE_MOST_MS;
}

static uint64_t
mix(uint64_t h, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001b3;
	return h;
}

/* Of names, sizes, times and places, in whatever order they come. */
static uint64_t
mark_of(const char *path)
{
	DIR *dir = opendir(path);
	uint64_t sum = 1;
	struct dirent *d;
	struct stat st;

	while (dir && (d = readdir(dir))) {
		uint64_t h;

		if (!engine_reads(d->d_name) || fstatat(dirfd(dir), d->d_name, &st, 0))
			continue;
		h = mix(0xcbf29ce484222325, d->d_name, strlen(d->d_name));
		h = mix(h, &st.st_size, sizeof(st.st_size));
		h = mix(h, &st.st_mtim, sizeof(st.st_mtim));
		sum += mix(h, &st.st_ino, sizeof(st.st_ino));
	}
	if (dir)
		closedir(dir);
	return sum;
}

bool
watch_is_due(struct watch *w)
{
	int64_t now = clock_mono_ms();

	if (now < watch_next_ms(w))
		return false;
	w->first_ms = w->last_ms = 0;
	w->look_ms = now + LOOK_MS;
	return mark_of(w->path) != w->mark;
}

void
watch_take(struct watch *w)
{
	w->mark = mark_of(w->path);
}
