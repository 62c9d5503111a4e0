/*
 * walk_entry: members of an archive: each unpacked whole, measured while it grows, and compared with what the archive says of it.
 */
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "scan/office.h"
#include "scan/walk_priv.h"

#define RATIO_FROM ((uint64_t)1 << 20) /* below, no ratio is a bomb */
#define TRAILER 20

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
		if (grown(w, l, (uint64_t)at + n, (uint64_t)at + n - end) || walk_write(w, l->member, p, n, (uint64_t)at))
			return -1;
		end = (uint64_t)at + n;
		if (clock_mono_ms() > w->due_ms)
			return finding_error(w->f, "out of time");
	}
	if (r != ARCHIVE_EOF)
		return level_says(w, l);
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

void
entry_note_used(struct level *l)
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

int
entry_end(struct walk *w, struct level *l, bool encrypted)
{
	if (encrypted)
		return finding_encrypted(w->f, "the archive");
	if (behind_check(w, l))
		return -1;
	if (l->kind->is_zip && (l->members != l->promise.members || l->out != l->promise.bytes))
		return finding_damaged(w->f, "the ZIP archive has members that cannot be unpacked");
	return 0;
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
		return level_says(w, l);
	rc = strcmp(l->kind->name, "tar") == 0 ? kind_tar_hides(&l->src, (uint64_t)archive_read_header_position(l->a)) : 0;
	if (rc < 0)
		return finding_error(w->f, "the file cannot be read");
	return rc ? finding_damaged(w->f, "the archive (tar) has a member of an unknown kind") : 0;
}

static int
count(struct walk *w, struct level *l)
{
	l->members++;
	if (++w->members > w->options->archive_members)
		return finding_limit(w->f, "the archive has more than %u members", w->options->archive_members);
	return 0;
}

enum entry
entry_next(struct walk *w, struct level *l, uint64_t *size)
{
	struct source member = { .fd = l->member };
	struct archive_entry *entry;
	int r = archive_read_next_header(l->a, &entry);

	if (r == ARCHIVE_EOF)
		return ENTRY_END;
	if (header_check(w, l, r) || count(w, l))
		return ENTRY_WRONG;
	if (archive_entry_is_encrypted(entry)) {
		(void)finding_encrypted(w->f, "a member of the archive");
		return ENTRY_WRONG;
	}
	/* libarchive says that it cannot unpack these; rar_check has seen that there is nothing in them. */
	if (kind_is_rar(l->kind) && archive_entry_filetype(entry) == AE_IFDIR && archive_entry_size(entry) <= 0)
		return ENTRY_NOTHING;
	if (unpack(w, l, entry, &member.size))
		return ENTRY_WRONG;
	entry_note_used(l);
	if (l->kind->is_zip && check_document(w, entry, &member))
		return ENTRY_WRONG;
	*size = member.size;
	return ENTRY_FILE;
}
