/*
 * walk: archives in archives as a stack of levels, the innermost on top. See walk.h.
 *
 * A level reads its bytes from the file that was sent, or from what its parent unpacked; it unpacks one member at a time into a file
 * of its own, which is read by the level above it, or by the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scan/office.h"
#include "scan/walk_priv.h"

struct walk *
walk_new(const struct scan_options *o, struct engine *g, int tmp)
{
	struct walk *w = NEW(struct walk);

	w->options = o;
	w->engine = g;
	w->tmp = tmp;
	w->store = -1;
	w->levels = mem_zalloc((o->archive_depth + 1) * sizeof(struct level *));
	return w;
}

void
walk_free(struct walk *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->made; i++)
		level_free(w->levels[i]);
	if (w->store >= 0)
		close(w->store);
	free(w->levels);
	free(w->found);
	free(w);
}

/* Files */

int
walk_scratch(struct walk *w, const char *name)
{
	int fd = openat(w->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 && unlinkat(w->tmp, name, 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

int
walk_write(struct walk *w, int fd, const void *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return finding_error(w->f, "no room for a member of the archive: %s", strerror(errno));
		p = (const char *)p + put;
		n -= (size_t)put;
		at += (uint64_t)put;
	}
	return 0;
}

/* What has been unpacked */

static int
keep(struct walk *w, const void *data, size_t n)
{
	if (w->store < 0)
		w->store = walk_scratch(w, "found");
	if (w->store < 0)
		return finding_error(w->f, "no temporary file: %s", strerror(errno));
	w->work += n;
	if (w->work > WORK_FACTOR * w->options->archive_bytes || w->nfound >= w->options->archive_members)
		return finding_limit(w->f, "the file holds too many archives, or too large ones");
	if (walk_write(w, w->store, data, n, w->store_end))
		return -1;
	if (w->nfound == w->cfound) {
		w->cfound = w->cfound ? 2 * w->cfound : 16;
		w->found = mem_realloc(w->found, w->cfound * sizeof(w->found[0]));
	}
	w->found[w->nfound++] = (struct found){ .off = w->store_end, .size = n, .base = w->base + w->depth };
	w->store_end += n;
	return 0;
}

/* What lies within the last one that was kept comes out of it again when it is walked. */
static void
on_seen(void *arg, const void *data, size_t n, unsigned depth)
{
	struct walk *w = arg;
	const struct kind *kind;

	if (w->refused || (w->below && depth > w->below))
		return;
	w->below = 0;
	kind = kind_of(data, n < KIND_HEAD ? n : KIND_HEAD);
	if (!kind)
		return;
	w->below = depth;
	if (!kind->format)
		w->refused = finding_damaged(w->f, "archives of this kind (%s) cannot be opened", kind->name);
	else
		w->refused = keep(w, data, n) != 0;
}

/* Not an archive: the engine sees it, and shows what archives are in it. */
static int
scan_leaf(struct walk *w, const struct source *s)
{
	const struct engine_witness witness = { .seen = on_seen, .arg = w };
	struct finding f;

	finding_clear(&f);
	w->below = 0;
	if (engine_scan(w->engine, s, w->due_ms - clock_mono_ms(), &witness, &f)) {
		*w->f = f;
		return -1;
	}
	return w->refused ? -1 : 0;
}

/* An archive into which the engine would not come by itself: what is in it is walked anyway. */
static int
scan_between(struct walk *w, const struct source *s)
{
	return engine_scan(w->engine, s, w->due_ms - clock_mono_ms(), NULL, w->f);
}

/* Not an archive by its beginning; one may lie behind it. -1, 0, or 1 when a level was opened for it. */
static int
look_behind(struct walk *w, const struct source *s, size_t n)
{
	bool program = kind_is_program(w->head, n);
	const struct kind *kind = NULL, *second = NULL;
	struct source inner = *s;
	uint64_t at = 0, end = s->size, next;
	int tail;

	/* Streams of a compound file lie in pieces anywhere in it: the engine takes them out. */
	if (office_is_compound(w->head, n))
		return 0;
	tail = zip_at_tail(s, &at, &end);
	if (tail > 0)
		kind = kind_zip();
	else if (tail < 0 || kind_embedded(s, 1, KIND_EMBEDDED_WITHIN, &kind, &at))
		return finding_error(w->f, "the file cannot be read");
	if (!kind)
		return 0;
	if (!program)
		return finding_damaged(w->f, "an archive (%s) is hidden behind something else", kind->name);
	/* What a ZIP counts as its own beginning is zip_check's. */
	if (kind_embedded(s, kind->is_zip ? 1 : at + 1, kind->is_zip ? at : KIND_EMBEDDED_WITHIN, &second, &next))
		return finding_error(w->f, "the file cannot be read");
	if (second)
		return finding_damaged(w->f, "the program holds more than one archive");
	inner.off += at;
	inner.size = end - at;
	return level_open(w, kind, &inner, false, true) ? -1 : 1;
}

/* A disc image has room for another archive before it. */
static int
look_before(struct walk *w, const struct source *s, const struct kind *kind, size_t n)
{
	const struct kind *first = kind;
	uint64_t at;

	if (!kind_is_iso(w->head, n))
		return 0;
	if (strcmp(kind->name, "iso9660") == 0 && kind_embedded(s, 0, KIND_HEAD, &first, &at))
		return finding_error(w->f, "the file cannot be read");
	return first ? finding_damaged(w->f, "an archive (%s) is hidden before a disc image", first->name) : 0;
}

/* A file, or a member that lies unpacked in a file: 0: done with; 1: it is an archive, its level is on top. */
static int
look_at(struct walk *w, const struct source *s, bool engine_sees, bool is_root)
{
	const struct kind *kind;
	const char *image;
	uint64_t at, end;
	int rc;
	long n = source_read(s, 0, w->head, sizeof(w->head));

	if (!s->size)
		return 0;
	if (n < 0 || kind_image(s, &image))
		return finding_error(w->f, "the file cannot be read");
	if (image)
		return finding_damaged(w->f, "archives of this kind (%s) cannot be opened", image);
	kind = kind_of(w->head, (size_t)n);
	if (!kind) {
		rc = office_is_encrypted(s);
		if (rc)
			return rc < 0 ? finding_error(w->f, "the file cannot be read") : finding_encrypted(w->f, "the document");
		if (is_root)
			w->whole = true;
		else
			w->leaves += s->size;
		if (scan_leaf(w, s))
			return -1;
		return look_behind(w, s, (size_t)n);
	}
	if (!kind->format)
		return finding_damaged(w->f, "archives of this kind (%s) cannot be opened", kind->name);
	if (look_before(w, s, kind, (size_t)n))
		return -1;
	if (!is_root && !engine_sees && scan_between(w, s))
		return -1;
	/* The engine has it: as a part of the whole file, or because it was just given it. */
	if (level_open(w, kind, s, kind->engine_opens, false))
		return -1;
	rc = kind->is_zip ? 0 : zip_at_tail(s, &at, &end);
	if (rc < 0)
		return finding_error(w->f, "the file cannot be read");
	if (rc) {
		struct level *l = w->levels[w->depth - 1];

		l->has_tail = true;
		l->tail = (struct source){ .fd = s->fd, .off = s->off + at, .size = end - at };
	}
	return 1;
}

/* Levels, one by one */

/* The innermost archive has come to its end. */
static int
finish(struct walk *w)
{
	struct level *l = w->levels[w->depth - 1];
	bool has_tail = l->has_tail, encrypted = archive_read_has_encrypted_entries(l->a) > 0;
	struct source tail = l->tail;

	entry_note_used(l);
	level_close(l);
	w->depth--;
	if (entry_end(w, l, encrypted))
		return -1;
	return has_tail ? level_open(w, kind_zip(), &tail, false, true) : 0;
}

/* The next member of the innermost archive. */
static int
step(struct walk *w)
{
	struct level *l = w->levels[w->depth - 1];
	struct source member = { .fd = l->member };

	switch (entry_next(w, l, &member.size)) {
	case ENTRY_END:
		return finish(w);
	case ENTRY_NOTHING:
		return 0;
	case ENTRY_FILE:
		return look_at(w, &member, l->engine_sees, false) < 0 ? -1 : 0;
	default:
		return -1;
	}
}

/* From the outside in; then what was found on the way. */
static int
walk_all(struct walk *w, const struct source *s)
{
	int rc = look_at(w, s, true, true);

	while (rc >= 0 && (w->depth > 0 || w->nfound > 0)) {
		if (w->depth > 0) {
			rc = step(w);
		} else {
			const struct found *f = &w->found[--w->nfound];
			struct source inner = { .fd = w->store, .off = f->off, .size = f->size };

			w->base = f->base;
			if (++w->members > w->options->archive_members)
				rc = finding_limit(w->f, "the archive has more than %u members", w->options->archive_members);
			else
				rc = look_at(w, &inner, true, false);
		}
	}
	return rc < 0 ? -1 : 0;
}

int
walk_file(struct walk *w, const struct source *s, int64_t due_ms, bool *whole, struct finding *f)
{
	int rc;

	w->f = f;
	w->due_ms = due_ms;
	w->root_size = s->size;
	w->leaves = w->work = w->store_end = 0;
	w->members = w->depth = w->base = 0;
	w->nfound = 0;
	w->whole = w->refused = false;
	rc = walk_all(w, s);
	for (unsigned i = 0; i < w->made; i++) {
		level_close(w->levels[i]);
		(void)!ftruncate(w->levels[i]->member, 0);
	}
	if (w->store >= 0)
		(void)!ftruncate(w->store, 0);
	*whole = w->whole;
	return rc;
}
