/*
 * walk_level: one archive as libarchive reads it: from the file that was sent, or from what its parent has unpacked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "scan/rar.h"
#include "scan/walk_priv.h"

#define WORDS 120
#define FILTERS 2        /* of libarchive: the file, and what it is compressed with */
#define RAR_SERVICES 100 /* besides members */

/* libarchive reads */

static la_ssize_t
on_read(struct archive *a, void *arg, const void **out)
{
	struct level *l = arg;
	long n = source_read(&l->src, l->pos, l->block, sizeof(l->block));

	if (n < 0) {
		archive_set_error(a, EIO, "the file cannot be read");
		return -1;
	}
	l->pos += (uint64_t)n;
	*out = l->block;
	return n;
}

static la_int64_t
on_skip(struct archive *a, void *arg, la_int64_t n)
{
	struct level *l = arg;
	uint64_t left = l->src.size - l->pos;

	(void)a;
	if (n <= 0)
		return 0;
	if ((uint64_t)n > left)
		n = (la_int64_t)left;
	l->pos += (uint64_t)n;
	return n;
}

static la_int64_t
on_seek(struct archive *a, void *arg, la_int64_t to, int whence)
{
	struct level *l = arg;
	la_int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (la_int64_t)l->pos : (la_int64_t)l->src.size, at;

	(void)a;
	if (__builtin_add_overflow(from, to, &at) || at < 0 || (uint64_t)at > l->src.size)
		return ARCHIVE_FATAL;
	l->pos = (uint64_t)at;
	return at;
}

int
level_says(struct walk *w, struct level *l)
{
	const char *words = archive_error_string(l->a);

	words = words ? words : "unknown";
	if (strcasestr(words, "encrypt") || strcasestr(words, "password") || strcasestr(words, "passphrase") ||
	    (l->open && archive_read_has_encrypted_entries(l->a) > 0))
		return finding_encrypted(w->f, "the archive");
	if (archive_errno(l->a) == ENOMEM)
		return finding_error(w->f, "out of memory");
	return finding_damaged(w->f, "the archive (%s) is damaged, or packed in an unknown way: %.*s", l->kind->name, WORDS, words);
}

/* Levels */

void
level_close(struct level *l)
{
	if (l->a)
		archive_read_free(l->a);
	l->a = NULL;
	l->open = l->has_tail = false;
}

void
level_free(struct level *l)
{
	level_close(l);
	if (l->member >= 0)
		close(l->member);
	free(l);
}

/* NULL: no file for it. */
static struct level *
level_at(struct walk *w, unsigned depth)
{
	char name[32];
	struct level *l;

	if (depth < w->made)
		return w->levels[depth];
	l = NEW(struct level);
	snprintf(name, sizeof(name), "level-%u", depth);
	l->member = walk_scratch(w, name);
	if (l->member < 0) {
		free(l);
		return NULL;
	}
	w->levels[depth] = l;
	w->made = depth + 1;
	return l;
}

int
level_open(struct walk *w, const struct kind *kind, const struct source *s, bool engine_sees, bool led)
{
	struct level *l;

	if (w->base + w->depth >= w->options->archive_depth)
		return finding_limit(w->f, "archives in archives, more than %u deep", w->options->archive_depth);
	l = level_at(w, w->depth);
	if (!l)
		return finding_error(w->f, "no temporary file: %s", strerror(errno));
	l->kind = kind;
	l->src = *s;
	l->pos = l->used = l->out = l->members = 0;
	l->engine_sees = engine_sees;
	l->led = led;
	if (kind->is_zip && zip_check(s, w->options->archive_members, led, &l->promise, w->f))
		return -1;
	if (kind_is_rar(kind) && rar_check(s, w->options->archive_members + RAR_SERVICES, &l->used, w->f))
		return -1;
	/* libarchive takes an empty one for something else. */
	if (kind->is_zip && !l->promise.members)
		return 0;
	l->a = archive_read_new();
	if (!l->a)
		return finding_error(w->f, "out of memory");
	w->depth++;
	archive_read_set_read_callback(l->a, on_read);
	archive_read_set_skip_callback(l->a, on_skip);
	archive_read_set_seek_callback(l->a, on_seek);
	archive_read_set_callback_data(l->a, l);
	if (kind->format(l->a) != ARCHIVE_OK || (kind->filter && kind->filter(l->a) != ARCHIVE_OK))
		return level_says(w, l);
	/* What follows the end of a tar is read by some: another tar. */
	if (strcmp(kind->name, "tar") == 0)
		(void)archive_read_set_option(l->a, "tar", "read_concatenated_archives", "1");
	if (archive_read_open1(l->a) < ARCHIVE_WARN)
		return level_says(w, l);
	l->open = true;
	/* libarchive goes through all of them at once: what follows the end of an inner one would not be seen. */
	if (archive_filter_count(l->a) > FILTERS)
		return finding_damaged(w->f, "it is compressed more than once");
	return 0;
}
