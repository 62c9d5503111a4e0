/*
 * files: the contents that records are about, each once, by their hash: files/SHA256-NAME, stored as they are.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "export/job_priv.h"
#include "proof/bundle.h"

#define FOLDER "files/"
#define PIECE 65536
#define NAME_ROOM (255 - (sizeof(FOLDER) - 1) - 2 * SHA256_SIZE - 1)

static int
hash_of(int fd, uint8_t out[SHA256_SIZE])
{
	struct crypt_hasher *h = crypt_hasher_new();
	char piece[PIECE];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			crypt_hasher_add(h, piece, (size_t)n);
	crypt_hasher_end(h, out);
	return n < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

static int
copy(struct job *j, int fd, const char *path, struct err *e)
{
	char piece[PIECE];
	ssize_t n;

	if (bundle_open(j->out, path, true, e))
		return -1;
	while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && bundle_write(j->out, piece, (size_t)n, e))
			return -1;
	if (n < 0)
		return err_set(e, errno, "a file that is exported cannot be read: %s", strerror(errno));
	return bundle_close(j->out, e);
}

/* In the zip, as people who unpack it can name it: as its sender calls it, cut where it is too long, if that is a name on any system. */
static const char *
path_of(struct arena *a, const struct export_file *f)
{
	char hex[2 * SHA256_SIZE + 1], *name;
	const char *path;
	size_t n = strlen(f->name);

	if (n > NAME_ROOM)
		for (n = NAME_ROOM; n > 0 && ((unsigned char)f->name[n] & 0xc0) == 0x80; n--)
			;
	name = arena_strndup(a, f->name, n);
	for (char *s = name; *s; s++)
		if (strchr("\\/:*?\"<>|", *s))
			*s = '_';
	text_hex(f->sha256, SHA256_SIZE, hex);
	path = arena_printf(a, FOLDER "%s-%s", hex, name);
	return bundle_name_is_safe(path, strlen(path)) ? path : arena_printf(a, FOLDER "%s-file", hex);
}

static int
put_file(struct job *j, const struct export_file *f, struct err *e)
{
	uint8_t sha256[SHA256_SIZE];
	const char *path;
	int fd, rc = 0;

	/* "It is not part of this export" is what is clean and kept, and nobody has put here yet. */
	if (source_knows_file(j->source, f->sha256) || strcmp(f->why, SOURCE_NOT_HERE) != 0)
		return 0;
	fd = source_open_content(j->source, f->sha256);
	path = path_of(j->turn, f);
	if (fd < 0) {
		source_note_file(j->source, f->sha256, NULL, "not kept any more");
	} else if (hash_of(fd, sha256) || memcmp(sha256, f->sha256, SHA256_SIZE) != 0) {
		source_note_file(j->source, f->sha256, NULL, "what is kept under its hash is something else");
	} else {
		rc = copy(j, fd, path, e);
		if (!rc)
			source_note_file(j->source, f->sha256, path, NULL);
	}
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int
put_group(void *arg, struct export_group *g, struct err *e)
{
	struct job *j = arg;
	const struct export_record *r;
	int rc;

	while ((rc = export_group_next(g, &r, e)) > 0) {
		for (size_t i = 0; i < r->nfiles; i++)
			if (!r->files[i].path && put_file(j, &r->files[i], e))
				return -1;
		arena_reset(j->turn);
		if (j->failed) {
			*e = j->why;
			return -1;
		}
	}
	return rc;
}

int
job_put_files(struct job *j, struct err *e)
{
	return source_each(j->source, EXPORT_BY_LOG, put_group, j, e);
}

void
job_note_files(struct job *j)
{
	const size_t folder = sizeof(FOLDER) - 1;
	uint8_t sha256[SHA256_SIZE];

	for (size_t i = 0; i < bundle_entries(j->out); i++) {
		const char *name = bundle_entry_at(j->out, i)->name;

		if (!strncmp(name, FOLDER, folder) && strlen(name) > folder + 2 * SHA256_SIZE &&
		    text_unhex(name + folder, 2 * SHA256_SIZE, sha256) == SHA256_SIZE)
			source_note_file(j->source, sha256, name, NULL);
	}
}
