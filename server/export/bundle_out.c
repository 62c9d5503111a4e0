/*
 * bundle_out: members into DIR/bundle.tmp, finished parts into DIR/journal.
 *
 * The journal is one JSON object a line: {"part":…,"note":…,"end":bytes,"entries":[[name,offset,size,packed,crc,deflated,sha256],…]}. A
 * line is written when all it speaks of is on disk; one that is cut off, at its end, is not there.
 */
#include "export/bundle_out.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "export/zip.h"
#include "proof/bundle.h"

#define ROOM 65536
#define LEVEL 1            /* twice as fast as 4, a twelfth larger: packing is a third of the work */
#define RAW_DEFLATE (-15)
#define DIRECTORY_BYTES (1 << 20)
#define SENT_AT_ONCE (256 * 1024) /* to the disk */

struct member {
	struct bundle_entry entry;
	char *key;             /* its name in lower case */
	UT_hash_handle hh;
};

struct part {
	char *name, *note;
};

struct bundle_out {
	int dir, zip, journal;
	uint32_t time;
	struct bundle_limits limits;
	uint64_t at;           /* where the next byte goes */
	uint64_t sent;         /* to here the disk has been told to write */
	struct member **members, *by_key;
	size_t n, room;
	struct part *parts;
	size_t nparts;
	const char *part;      /* the one being written */
	size_t part_from;      /* its first member */
	uint64_t part_at;
	/* The member that is open. */
	struct member *open;
	struct crypt_hasher *hasher;
	z_stream z;
	uint8_t *packed;       /* ROOM */
	char *gathered;        /* ROOM: lines, until they are worth being packed and hashed */
	size_t ngathered;
	bool failed;
	struct err why;
};

static int
fail(struct bundle_out *b, struct err *e)
{
	if (!b->failed)
		b->why = *e;
	b->failed = true;
	*e = b->why;
	return -1;
}

static int
fail_errno(struct bundle_out *b, struct err *e, const char *what)
{
	err_set(e, errno, "%s: %s", what, strerror(errno));
	return fail(b, e);
}

/* Bytes */

static int
write_at(struct bundle_out *b, const void *p, size_t n, uint64_t at, struct err *e)
{
	const char *s = p;

	if (b->limits.bytes && at + n > b->limits.bytes) {
		err_set(e, EFBIG, "the export is larger than limits.export_bytes allows (%llu)", (unsigned long long)b->limits.bytes);
		return fail(b, e);
	}
	while (n > 0) {
		ssize_t done = pwrite(b->zip, s, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return fail_errno(b, e, "the export cannot be written");
		s += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

/*
 * A part's megabytes that reach the disk all at once, when the part ends, keep the archive's commits waiting behind them. So they go as they come: the piece that
 * was begun last is waited for before the next one begins. What fails here fails again at the part's fdatasync().
 */
static void
send_to_disk(struct bundle_out *b)
{
	while (b->at - b->sent >= SENT_AT_ONCE) {
		if (b->sent >= SENT_AT_ONCE)
			(void)sync_file_range(b->zip, (off_t)(b->sent - SENT_AT_ONCE), SENT_AT_ONCE, SYNC_FILE_RANGE_WAIT_BEFORE);
		(void)sync_file_range(b->zip, (off_t)b->sent, SENT_AT_ONCE, SYNC_FILE_RANGE_WRITE);
		b->sent += SENT_AT_ONCE;
	}
}

static int
append(struct bundle_out *b, const void *p, size_t n, struct err *e)
{
	if (write_at(b, p, n, b->at, e))
		return -1;
	b->at += n;
	send_to_disk(b);
	return 0;
}

/* Members */

static char *
key_of(const char *name)
{
	char *key = mem_strdup(name);

	for (char *s = key; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
	return key;
}

static struct member *
find_member(const struct bundle_out *b, const char *key)
{
	struct member *m;

	HASH_FIND_STR(b->by_key, key, m);
	return m;
}

bool
bundle_has(const struct bundle_out *b, const char *name)
{
	char *key = key_of(name);
	bool found = find_member(b, key) != NULL;

	free(key);
	return found;
}

static void
member_free(struct member *m)
{
	if (!m)
		return;
	free((char *)(uintptr_t)m->entry.name);
	free(m->key);
	free(m);
}

static struct member *
member_new(const char *name)
{
	struct member *m = NEW(struct member);

	m->entry.name = mem_strdup(name);
	m->key = key_of(name);
	return m;
}

static void
keep_member(struct bundle_out *b, struct member *m)
{
	if (b->n == b->room) {
		b->room = b->room ? 2 * b->room : 64;
		b->members = mem_realloc(b->members, b->room * sizeof(*b->members));
	}
	b->members[b->n++] = m;
	HASH_ADD_KEYPTR(hh, b->by_key, m->key, strlen(m->key), m);
}

static void
drop_members(struct bundle_out *b, size_t from)
{
	while (b->n > from) {
		struct member *m = b->members[--b->n];

		HASH_DEL(b->by_key, m);
		member_free(m);
	}
}

static void
drop_open(struct bundle_out *b)
{
	if (!b->open)
		return;
	if (b->open->entry.deflated)
		(void)deflateEnd(&b->z);
	crypt_hasher_end(b->hasher, NULL);
	b->hasher = NULL;
	member_free(b->open);
	b->open = NULL;
	b->ngathered = 0;
}

static int
write_head(struct bundle_out *b, const struct bundle_entry *entry, struct err *e)
{
	struct buf head = {0};
	size_t n;
	int rc;

	zip_local(&head, entry, b->time);
	n = buf_len(&head);
	rc = write_at(b, buf_data(&head), n, entry->offset, e);
	if (!rc && b->at == entry->offset)
		b->at += n;
	buf_fini(&head);
	return rc;
}

int
bundle_open(struct bundle_out *b, const char *name, bool stored, struct err *e)
{
	if (b->failed)
		return fail(b, e);
	if (b->open || !bundle_name_is_safe(name, strlen(name)) || bundle_has(b, name)) {
		err_set(e, 0, "the export cannot have a file %.80s%s", name, b->open ? " while another is open" : "");
		return fail(b, e);
	}
	if (b->limits.files && b->n >= b->limits.files) {
		err_set(e, 0, "the export has more files than limits.export_files allows (%llu)", (unsigned long long)b->limits.files);
		return fail(b, e);
	}
	b->open = member_new(name);
	b->open->entry.offset = b->at;
	b->open->entry.deflated = !stored;
	b->open->entry.crc = (uint32_t)crc32(0, NULL, 0);
	b->hasher = crypt_hasher_new();
	memset(&b->z, 0, sizeof(b->z));
	if (!stored && deflateInit2(&b->z, LEVEL, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		mem_exhausted(ROOM);
	return write_head(b, &b->open->entry, e);
}

/* What the compressor has; at the end all of it. */
static int
deflate_all(struct bundle_out *b, int flush, struct err *e)
{
	int rc;

	do {
		b->z.next_out = b->packed;
		b->z.avail_out = ROOM;
		rc = deflate(&b->z, flush);
		if (append(b, b->packed, ROOM - b->z.avail_out, e))
			return -1;
		b->open->entry.packed += ROOM - b->z.avail_out;
	} while (flush == Z_FINISH ? rc != Z_STREAM_END : b->z.avail_in > 0 || b->z.avail_out == 0);
	return 0;
}

static int
write_piece(struct bundle_out *b, const void *p, size_t n, struct err *e)
{
	struct bundle_entry *m = &b->open->entry;

	crypt_hasher_add(b->hasher, p, n);
	m->crc = (uint32_t)crc32(m->crc, p, (uInt)n);
	m->size += n;
	if (!m->deflated) {
		m->packed += n;
		return append(b, p, n, e);
	}
	b->z.next_in = (Bytef *)(uintptr_t)p;
	b->z.avail_in = (uInt)n;
	return deflate_all(b, Z_NO_FLUSH, e);
}

static int
write_pieces(struct bundle_out *b, const char *s, size_t n, struct err *e)
{
	for (size_t piece; n > 0; s += piece, n -= piece) {
		piece = n < (1u << 30) ? n : 1u << 30;
		if (write_piece(b, s, piece, e))
			return -1;
	}
	return 0;
}

static int
write_gathered(struct bundle_out *b, struct err *e)
{
	size_t n = b->ngathered;

	b->ngathered = 0;
	return write_pieces(b, b->gathered, n, e);
}

int
bundle_write(struct bundle_out *b, const void *p, size_t n, struct err *e)
{
	if (b->failed)
		return fail(b, e);
	if (!b->open) {
		err_set(e, 0, "no file of the export is open");
		return fail(b, e);
	}
	if (b->ngathered + n > ROOM && write_gathered(b, e))
		return -1;
	if (n > ROOM || !b->open->entry.deflated)
		return write_pieces(b, p, n, e);
	if (n)
		memcpy(b->gathered + b->ngathered, p, n);
	b->ngathered += n;
	return 0;
}

int
bundle_puts(struct bundle_out *b, const char *s, struct err *e)
{
	return bundle_write(b, s, strlen(s), e);
}

int
bundle_printf(struct bundle_out *b, struct err *e, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_exhausted(strlen(fmt));
	rc = bundle_write(b, text, (size_t)n, e);
	free(text);
	return rc;
}

int
bundle_close(struct bundle_out *b, struct err *e)
{
	struct member *m = b->open;

	if (b->failed || !m) {
		if (!b->failed)
			err_set(e, 0, "no file of the export is open");
		return fail(b, e);
	}
	if (write_gathered(b, e) || (m->entry.deflated && deflate_all(b, Z_FINISH, e)))
		return -1;
	if (write_head(b, &m->entry, e))
		return -1;
	if (m->entry.deflated)
		(void)deflateEnd(&b->z);
	crypt_hasher_end(b->hasher, m->entry.sha256);
	b->hasher = NULL;
	b->open = NULL;
	keep_member(b, m);
	return 0;
}

int
bundle_add(struct bundle_out *b, const char *name, const void *p, size_t n, struct err *e)
{
	return bundle_open(b, name, false, e) || bundle_write(b, p, n, e) || bundle_close(b, e) ? -1 : 0;
}

size_t
bundle_entries(const struct bundle_out *b)
{
	return b->n;
}

const struct bundle_entry *
bundle_entry_at(const struct bundle_out *b, size_t i)
{
	return &b->members[i]->entry;
}

uint64_t
bundle_bytes(const struct bundle_out *b)
{
	return b->at;
}

/* Parts */

static const struct part *
find_part(const struct bundle_out *b, const char *name)
{
	for (size_t i = 0; i < b->nparts; i++)
		if (!strcmp(b->parts[i].name, name))
			return &b->parts[i];
	return NULL;
}

const char *
bundle_part_note(const struct bundle_out *b, const char *part)
{
	const struct part *p = find_part(b, part);

	return p ? p->note : NULL;
}

static void
keep_part(struct bundle_out *b, const char *name, const char *note)
{
	b->parts = mem_realloc(b->parts, (b->nparts + 1) * sizeof(*b->parts));
	b->parts[b->nparts++] = (struct part){ .name = mem_strdup(name), .note = mem_strdup(note) };
}

static void
drop_parts(struct bundle_out *b)
{
	while (b->nparts) {
		struct part *p = &b->parts[--b->nparts];

		free(p->name);
		free(p->note);
	}
}

bool
bundle_part_begin(struct bundle_out *b, const char *part)
{
	if (find_part(b, part))
		return false;
	b->part = part;
	b->part_from = b->n;
	b->part_at = b->at;
	return true;
}

static json_t *
entry_json(const struct bundle_entry *m)
{
	char hex[2 * SHA256_SIZE + 1];

	text_hex(m->sha256, SHA256_SIZE, hex);
	return json_pack("[s,I,I,I,I,b,s]", m->name, (json_int_t)m->offset, (json_int_t)m->size, (json_int_t)m->packed, (json_int_t)m->crc,
			 m->deflated, hex);
}

static int
write_journal(struct bundle_out *b, const char *note, struct err *e)
{
	json_t *entries = json_array(), *line;
	char *text;
	size_t n;
	ssize_t done;

	for (size_t i = b->part_from; i < b->n; i++)
		json_array_append_new(entries, entry_json(&b->members[i]->entry));
	line = json_pack("{s:s,s:s,s:I,s:o}", "part", b->part, "note", note, "end", (json_int_t)b->at, "entries", entries);
	text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	if (!text) {
		err_set(e, 0, "the export's journal: a name is not UTF-8");
		return fail(b, e);
	}
	n = strlen(text);
	text[n] = '\n';
	done = write(b->journal, text, n + 1);
	free(text);
	if (done != (ssize_t)(n + 1) || fdatasync(b->journal)) {
		if (done >= 0 && done != (ssize_t)(n + 1))
			errno = ENOSPC;
		return fail_errno(b, e, "the export's journal cannot be written");
	}
	return 0;
}

int
bundle_part_end(struct bundle_out *b, const char *note, struct err *e)
{
	if (b->failed)
		return fail(b, e);
	if (b->open || !b->part) {
		err_set(e, 0, "a part of the export was not finished");
		return fail(b, e);
	}
	if (fdatasync(b->zip))
		return fail_errno(b, e, "the export cannot be written");
	if (write_journal(b, note, e))
		return -1;
	keep_part(b, b->part, note);
	b->part = NULL;
	return 0;
}

/* What an earlier run has left. False: this line is not of any use, nor is what follows. */
static bool
take_entry(struct bundle_out *b, const json_t *row)
{
	json_int_t offset, size, packed, crc;
	const char *name, *hex;
	struct member *m;
	int deflated;

	if (json_unpack((json_t *)(uintptr_t)row, "[s,I,I,I,I,b,s]", &name, &offset, &size, &packed, &crc, &deflated, &hex) || !bundle_name_is_safe(name, strlen(name)) ||
	    strlen(hex) != 2 * SHA256_SIZE || bundle_has(b, name))
		return false;
	m = member_new(name);
	m->entry = (struct bundle_entry){ .name = m->entry.name, .offset = (uint64_t)offset, .size = (uint64_t)size, .packed = (uint64_t)packed,
		.crc = (uint32_t)crc, .deflated = deflated };
	if (text_unhex(hex, strlen(hex), m->entry.sha256) != SHA256_SIZE) {
		member_free(m);
		return false;
	}
	keep_member(b, m);
	return true;
}

static bool
take_line(struct bundle_out *b, const char *text, size_t n, uint64_t zip_bytes)
{
	json_t *line = json_loadb(text, n, 0, NULL), *entries, *row;
	const char *part, *note;
	size_t from = b->n, i;
	json_int_t end;
	bool right;

	right = line && !json_unpack(line, "{s:s,s:s,s:I,s:o}", "part", &part, "note", &note, "end", &end, "entries", &entries) &&
		(uint64_t)end <= zip_bytes && (uint64_t)end >= b->at && !find_part(b, part);
	if (right)
		json_array_foreach(entries, i, row)
			right = right && take_entry(b, row);
	if (right) {
		keep_part(b, part, note);
		b->at = b->sent = (uint64_t)end;
	} else {
		drop_members(b, from);
	}
	json_decref(line);
	return right;
}

/* Both files end where the last whole line says. */
static int
take_journal(struct bundle_out *b, struct err *e)
{
	struct stat zip, journal;
	FILE *f = fdopen(dup(b->journal), "r");
	char *text = NULL;
	size_t room = 0;
	off_t good = 0;
	ssize_t n;

	if (!f || fstat(b->zip, &zip) || fstat(b->journal, &journal)) {
		if (f)
			(void)fclose(f);
		return fail_errno(b, e, "the export's journal cannot be read");
	}
	while ((n = getline(&text, &room, f)) > 0 && text[n - 1] == '\n' && take_line(b, text, (size_t)n, (uint64_t)zip.st_size))
		good += n;
	free(text);
	(void)fclose(f);
	if (ftruncate(b->journal, good) || lseek(b->journal, good, SEEK_SET) < 0 || ftruncate(b->zip, (off_t)b->at))
		return fail_errno(b, e, "the export cannot be gone on with");
	return 0;
}

static int
open_in(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		err_set(e, errno, "the export's %s: %s", name, strerror(errno));
	return fd;
}

struct bundle_out *
bundle_out_open(const char *dir, int64_t at_us, const struct bundle_limits *limits, struct err *e)
{
	struct bundle_out *b = NEW(struct bundle_out);

	b->time = zip_time(at_us);
	b->limits = *limits;
	b->packed = mem_alloc(ROOM);
	b->gathered = mem_alloc(ROOM);
	b->zip = b->journal = -1;
	b->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->dir < 0)
		err_set(e, errno, "%s: %s", dir, strerror(errno));
	else if ((b->zip = open_in(b->dir, "bundle.tmp", e)) >= 0 && (b->journal = open_in(b->dir, "journal", e)) >= 0 && !take_journal(b, e))
		return b;
	bundle_out_free(b);
	return NULL;
}

void
bundle_out_free(struct bundle_out *b)
{
	if (!b)
		return;
	drop_open(b);
	drop_members(b, 0);
	drop_parts(b);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? b->dir : i == 1 ? b->zip : b->journal;

		if (fd >= 0)
			(void)close(fd);
	}
	free(b->parts);
	free(b->members);
	free(b->packed);
	free(b->gathered);
	free(b);
}

int
bundle_out_reset(struct bundle_out *b, struct err *e)
{
	if (b->failed)
		return fail(b, e);
	drop_open(b);
	drop_members(b, 0);
	drop_parts(b);
	b->at = b->sent = 0;
	b->part = NULL;
	/* The journal first: it never speaks of what is not there. */
	if (ftruncate(b->journal, 0) || lseek(b->journal, 0, SEEK_SET) < 0 || fdatasync(b->journal) || ftruncate(b->zip, 0))
		return fail_errno(b, e, "the export cannot be begun anew");
	return 0;
}

/* The end */

static int
write_directory(struct bundle_out *b, struct err *e)
{
	uint64_t offset = b->at;
	struct buf rows = {0};
	int rc = 0;

	for (size_t i = 0; i < b->n && !rc; i++) {
		zip_central(&rows, &b->members[i]->entry, b->time);
		if (buf_len(&rows) >= DIRECTORY_BYTES) {
			rc = append(b, buf_data(&rows), buf_len(&rows), e);
			buf_clear(&rows);
		}
	}
	if (!rc)
		rc = append(b, buf_data(&rows), buf_len(&rows), e);
	buf_clear(&rows);
	zip_end(&rows, b->n, b->at - offset, offset);
	if (!rc)
		rc = append(b, buf_data(&rows), buf_len(&rows), e);
	buf_fini(&rows);
	return rc;
}

int
bundle_out_finish(struct bundle_out *b, struct err *e)
{
	int dir;

	if (b->failed)
		return fail(b, e);
	if (write_directory(b, e))
		return -1;
	if (fsync(b->zip) || renameat(b->dir, "bundle.tmp", b->dir, "bundle.zip"))
		return fail_errno(b, e, "the export cannot be finished");
	/* The name, too, has to be on disk. */
	dir = openat(b->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir)) {
		if (dir >= 0)
			(void)close(dir);
		return fail_errno(b, e, "the export cannot be finished");
	}
	(void)close(dir);
	return 0;
}
