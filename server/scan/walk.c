/*
 * walk: archives in archives as a stack of levels, the innermost on top. See walk.h.
 *
 * A level reads its bytes from the file that was sent, or from what its parent unpacked; it unpacks one member at a time into a file
 * of its own, which is read by the level above it, or by the engine.
 */
#include "scan/walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scan/kind.h"
#include "scan/office.h"
#include "scan/rar.h"
#include "scan/zip.h"

#define BLOCK 65536
#define RATIO_FROM ((uint64_t)1 << 20) /* below, no ratio is a bomb */
#define WORK_FACTOR 4                  /* of archive_bytes: leaves and what they came out of */
#define WORDS 120
#define TRAILER 20
#define FILTERS 2        /* of libarchive: the file, and what it is compressed with */
#define RAR_SERVICES 100 /* besides members */

struct level {
	struct archive *a;
	const struct kind *kind;
	struct source src;
	uint64_t pos;      /* of libarchive in src */
	uint64_t used;     /* how far it has made something of src, or where the archive ends by its own headers */
	bool led;          /* a program lies before it, and its signature may follow */
	uint64_t out;      /* bytes that came out of it */
	uint64_t members;  /* and how many of them */
	struct zip_promise promise; /* of a ZIP */
	bool engine_sees;  /* libclamav comes here by itself, from the whole file or from one that was given to it */
	bool open;         /* libarchive knows what it is: before, it must not be asked about encryption */
	bool has_tail;     /* a ZIP at its end, to be walked after it */
	struct source tail;
	int member;        /* what is unpacked here; -1: not open yet */
	unsigned char block[BLOCK];
};

struct found {
	uint64_t off, size;
	unsigned base;
};

struct walk {
	const struct scan_options *options;
	struct engine *engine;
	int tmp;
	struct level **levels; /* archive_depth + 1; made when they are first needed */
	unsigned depth, made;
	/* Of this file: */
	struct finding *f;
	int64_t due_ms;
	uint64_t root_size, leaves, work;
	unsigned members;
	unsigned base;         /* how deep the file lies where the levels begin: 0, or that of a found one */
	bool whole;
	unsigned char head[KIND_HEAD];
	/* Archives that the engine has taken out of files of other kinds, one after another in a file. */
	int store;
	uint64_t store_end;
	struct found *found;
	size_t nfound, cfound;
	unsigned below;        /* of what is found now: deeper than this it is a part of the last one; 0: none */
	bool refused;          /* by on_seen, with the reason in f */
};

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

static void
level_close(struct level *l)
{
	if (l->a)
		archive_read_free(l->a);
	l->a = NULL;
	l->open = l->has_tail = false;
}

void
walk_free(struct walk *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->made; i++) {
		level_close(w->levels[i]);
		if (w->levels[i]->member >= 0)
			close(w->levels[i]->member);
		free(w->levels[i]);
	}
	if (w->store >= 0)
		close(w->store);
	free(w->levels);
	free(w->found);
	free(w);
}

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

static int
libarchive_says(struct walk *w, struct level *l)
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

/* A file without a name; -1 with errno. */
static int
scratch(struct walk *w, const char *name)
{
	int fd = openat(w->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 && unlinkat(w->tmp, name, 0)) {
		close(fd);
		return -1;
	}
	return fd;
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
	l->member = scratch(w, name);
	if (l->member < 0) {
		free(l);
		return NULL;
	}
	w->levels[depth] = l;
	w->made = depth + 1;
	return l;
}

static int
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
		return libarchive_says(w, l);
	/* What follows the end of a tar is read by some: another tar. */
	if (strcmp(kind->name, "tar") == 0)
		(void)archive_read_set_option(l->a, "tar", "read_concatenated_archives", "1");
	if (archive_read_open1(l->a) < ARCHIVE_WARN)
		return libarchive_says(w, l);
	l->open = true;
	/* libarchive goes through all of them at once: what follows the end of an inner one would not be seen. */
	if (archive_filter_count(l->a) > FILTERS)
		return finding_damaged(w->f, "it is compressed more than once");
	return 0;
}

static int
write_at(struct walk *w, int fd, const void *p, size_t n, uint64_t at)
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
		w->store = scratch(w, "found");
	if (w->store < 0)
		return finding_error(w->f, "no temporary file: %s", strerror(errno));
	w->work += n;
	if (w->work > WORK_FACTOR * w->options->archive_bytes || w->nfound >= w->options->archive_members)
		return finding_limit(w->f, "the file holds too many archives, or too large ones");
	if (write_at(w, w->store, data, n, w->store_end))
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
	if (engine_scan(w->engine, s->fd, w->due_ms - clock_mono_ms(), &witness, &f)) {
		*w->f = f;
		return -1;
	}
	return w->refused ? -1 : 0;
}

/* An archive into which the engine would not come by itself: what is in it is walked anyway. */
static int
scan_between(struct walk *w, const struct source *s)
{
	return engine_scan(w->engine, s->fd, w->due_ms - clock_mono_ms(), NULL, w->f);
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

/* Unpacking */

static int
grown(struct walk *w, struct level *l, uint64_t end, uint64_t more)
{
	const struct scan_options *o = w->options;

	l->out += more;
	w->work += more;
	if (end > scan_options_largest(o))
		return finding_limit(w->f, "a member of the archive is larger than %llu bytes", (unsigned long long)scan_options_largest(o));
	if (w->leaves + end > o->archive_bytes || w->work > WORK_FACTOR * o->archive_bytes)
		return finding_limit(w->f, "the archive has more than %llu bytes unpacked", (unsigned long long)o->archive_bytes);
	if ((l->out > RATIO_FROM && l->out / o->archive_ratio >= l->src.size) ||
	    (w->leaves + end > RATIO_FROM && (w->leaves + end) / o->archive_ratio >= w->root_size))
		return finding_limit(w->f, "the archive unpacks to more than %u times its size", o->archive_ratio);
	return 0;
}

/* All of the current member into l->member, holes too; *size is its length. */
static int
unpack(struct walk *w, struct level *l, struct archive_entry *entry, uint64_t *size)
{
	const void *p;
	size_t n;
	la_int64_t at;
	uint64_t end = 0, told;
	int r;

	if (ftruncate(l->member, 0))
		return finding_error(w->f, "no temporary file: %s", strerror(errno));
	while ((r = archive_read_data_block(l->a, &p, &n, &at)) == ARCHIVE_OK) {
		if (at < 0 || (uint64_t)at < end || (uint64_t)at > INT64_MAX - n)
			return finding_damaged(w->f, "a member of the archive overlaps itself");
		if (grown(w, l, (uint64_t)at + n, (uint64_t)at + n - end) || write_at(w, l->member, p, n, (uint64_t)at))
			return -1;
		end = (uint64_t)at + n;
		if (clock_mono_ms() > w->due_ms)
			return finding_error(w->f, "out of time");
	}
	if (r != ARCHIVE_EOF)
		return libarchive_says(w, l);
	told = archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0 ? (uint64_t)archive_entry_size(entry) : 0;
	/* Of a member that is marked as a folder or a device libarchive gives nothing, whatever is in it. */
	if (l->kind->is_zip && told != end)
		return finding_damaged(w->f, "a member of the ZIP archive has another size than it says");
	/* A hole at the end of a sparse file. */
	if (end && told > end) {
		if (grown(w, l, told, told - end))
			return -1;
		end = told;
	}
	if (ftruncate(l->member, (off_t)end))
		return finding_error(w->f, "no room for a member of the archive: %s", strerror(errno));
	*size = end;
	return 0;
}

static void
note_used(struct level *l)
{
	la_int64_t at = archive_filter_bytes(l->a, -1);

	if (!kind_is_rar(l->kind) && at > 0 && (uint64_t)at > l->used)
		l->used = (uint64_t)at;
}

/* Where an archive ends by its own header, which libarchive may have read before all else: [7zFormat.txt] SignatureHeader. */
static uint64_t
end_of_7z(const struct source *s)
{
	unsigned char head[32];
	uint64_t end;

	if (source_read(s, 0, head, sizeof(head)) != sizeof(head) || __builtin_add_overflow(le64(head + 12), le64(head + 20), &end) ||
	    __builtin_add_overflow(end, sizeof(head), &end))
		return 0;
	return end;
}

/* Nothing but zeros behind the archive: who begins to read elsewhere would find something else there. */
static int
behind_check(struct walk *w, const struct level *l)
{
	uint64_t pos = strcmp(l->kind->name, "7z") == 0 ? end_of_7z(&l->src) : l->used;
	unsigned char buf[4096];
	long n;

	/* What follows in a program has been looked at by look_behind. */
	if (l->kind->is_zip || l->led)
		return 0;
	/* libarchive leaves the trailer of a member of lzip when nothing came out with it, and writes as much behind a xar. No archive is so short. */
	if ((strcmp(l->kind->name, "lzip") == 0 || strcmp(l->kind->name, "xar") == 0) && l->src.size - pos <= TRAILER)
		return 0;
	for (; pos < l->src.size; pos += (uint64_t)n) {
		n = source_read(&l->src, pos, buf, sizeof(buf));
		if (n <= 0)
			return finding_error(w->f, "the file cannot be read");
		for (long i = 0; i < n; i++)
			if (buf[i])
				return finding_damaged(w->f, "something follows the end of the archive (%s)", l->kind->name);
	}
	return 0;
}

/* The innermost archive has come to its end. */
static int
finish(struct walk *w)
{
	struct level *l = w->levels[w->depth - 1];
	bool has_tail = l->has_tail, encrypted = archive_read_has_encrypted_entries(l->a) > 0;
	struct source tail = l->tail;

	note_used(l);
	level_close(l);
	w->depth--;
	if (encrypted)
		return finding_encrypted(w->f, "the archive");
	if (behind_check(w, l))
		return -1;
	if (l->kind->is_zip && (l->members != l->promise.members || l->out != l->promise.bytes))
		return finding_damaged(w->f, "the ZIP archive has members that cannot be unpacked");
	return has_tail ? level_open(w, kind_zip(), &tail, false, true) : 0;
}

static int
check_document(struct walk *w, struct archive_entry *entry, const struct source *member)
{
	int rc = office_member_is_encrypted(archive_entry_pathname(entry), member);

	if (rc < 0)
		return finding_error(w->f, "the file cannot be read");
	return rc ? finding_encrypted(w->f, "the document") : 0;
}

/* What is not quite in order: names that cannot be converted are of no interest here; all else is. */
static int
header_check(struct walk *w, struct level *l, int r)
{
	const char *words = archive_error_string(l->a);
	int rc;

	if (r != ARCHIVE_OK && (r != ARCHIVE_WARN || !words || !strstr(words, "convert")))
		return libarchive_says(w, l);
	rc = strcmp(l->kind->name, "tar") == 0 ? kind_tar_hides(&l->src, (uint64_t)archive_read_header_position(l->a)) : 0;
	if (rc < 0)
		return finding_error(w->f, "the file cannot be read");
	return rc ? finding_damaged(w->f, "the archive (tar) has a member of an unknown kind") : 0;
}

/* The next member of the innermost archive. */
static int
step(struct walk *w)
{
	struct level *l = w->levels[w->depth - 1];
	struct archive_entry *entry;
	struct source member = { .fd = l->member };
	int r = archive_read_next_header(l->a, &entry);

	if (r == ARCHIVE_EOF)
		return finish(w);
	if (header_check(w, l, r))
		return -1;
	l->members++;
	if (++w->members > w->options->archive_members)
		return finding_limit(w->f, "the archive has more than %u members", w->options->archive_members);
	if (archive_entry_is_encrypted(entry))
		return finding_encrypted(w->f, "a member of the archive");
	/* libarchive says that it cannot unpack these; rar_check has seen that there is nothing in them. */
	if (kind_is_rar(l->kind) && archive_entry_filetype(entry) == AE_IFDIR && archive_entry_size(entry) <= 0)
		return 0;
	if (unpack(w, l, entry, &member.size))
		return -1;
	note_used(l);
	if (l->kind->is_zip && check_document(w, entry, &member))
		return -1;
	return look_at(w, &member, l->engine_sees, false) < 0 ? -1 : 0;
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
