/*
 * outside: a file of checkpoints, such as the server's log.checkpoint_file or a witness's (see outside.h).
 */
#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "verify.h"

#define TORN_LINES 16 /* lines of a note that was cut short, in front of a whole one */

struct kept {
	uint64_t size;
	const char *p;  /* the note */
	size_t n;
};

struct outside {
	const char *file;
	char *map;
	size_t bytes;
	struct kept *kept; /* by size */
	size_t n, cap, at;
	uint64_t same, newest;
};

static void
keep(struct outside *o, const char *p, size_t n)
{
	struct checkpoint c;
	struct note note;
	struct err e;

	/* A note whose writing was cut short may be in front. */
	for (int i = 0; i < TORN_LINES && n; i++) {
		const char *line;

		if (!note_parse(p, n, &note, &e) && !checkpoint_parse(note.text, note.text_n, &c, &e)) {
			if (o->n == o->cap) {
				o->cap = o->cap ? 2 * o->cap : 64;
				o->kept = mem_realloc(o->kept, o->cap * sizeof(*o->kept));
			}
			o->kept[o->n++] = (struct kept){ c.size, p, n };
			return;
		}
		line = memchr(p, '\n', n);
		if (!line)
			return;
		n -= (size_t)(line + 1 - p);
		p = line + 1;
	}
}

static int
by_size(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

struct outside *
outside_open(const char *file, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct outside *o;
	struct stat st;
	char *map = NULL;
	size_t len;

	if (fd < 0 || fstat(fd, &st) != 0 || (st.st_size && (map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)) {
		err_set(e, errno, "%s: %s", file, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	close(fd);
	o = NEW(struct outside);
	o->file = file;
	o->map = map;
	o->bytes = (size_t)st.st_size;
	for (size_t at = 0; at < o->bytes && (len = note_length(map + at, o->bytes - at)); at += len)
		keep(o, map + at, len);
	if (o->n)
		qsort(o->kept, o->n, sizeof(*o->kept), by_size);
	return o;
}

void
outside_close(struct outside *o)
{
	if (!o)
		return;
	if (o->map)
		munmap(o->map, o->bytes);
	free(o->kept);
	free(o);
}

/* Signed by a key that is or was the log's. 0: it is of another log; -1: it is of this one, and forged. */
static int
is_ours(const struct kept *k, const struct verify *v, struct checkpoint *c)
{
	struct err e;

	for (size_t i = v->nkeys; i-- > 0;)
		if (!checkpoint_open(k->p, k->n, &v->keys[i], c, &e))
			return 1;
	return strcmp(c->origin, v->checkpoint.origin) != 0 ? 0 : -1;
}

static void
compare_one(struct outside *o, struct verify *v, const struct kept *k, const uint8_t root[MERKLE_HASH])
{
	struct checkpoint c;
	int ours = is_ours(k, v, &c);

	if (!ours)
		return;
	if (ours < 0) {
		report_found(v->report, CHECK_OUTSIDE, "%s: the checkpoint of %" PRIu64 " records is not signed by a key of the log", o->file, k->size);
	} else if (!crypt_equal(c.root, root, MERKLE_HASH)) {
		report_found(v->report, CHECK_OUTSIDE, "%s: the checkpoint of %" PRIu64 " records has another root: the log was not only appended to, or forked", o->file,
			k->size);
	} else {
		o->same++;
		o->newest = k->size;
	}
}

void
outside_compare(struct outside *o, struct verify *v, struct hasher *h, const struct merkle_frontier *tree)
{
	uint8_t root[MERKLE_HASH];

	/* Those of a size in between end within a subtree that is not exported: nothing here can tell. */
	while (o->at < o->n && o->kept[o->at].size < tree->size)
		o->at++;
	if (o->at == o->n || o->kept[o->at].size != tree->size)
		return;
	merkle_root(h, tree, root);
	for (; o->at < o->n && o->kept[o->at].size == tree->size; o->at++)
		compare_one(o, v, &o->kept[o->at], root);
}

void
outside_tell(struct outside *o, struct verify *v)
{
	if (!o->same) {
		report_found(v->report, CHECK_OUTSIDE, "%s has no checkpoint that this bundle can be compared with", o->file);
		return;
	}
	report_right(v->report, CHECK_OUTSIDE, "%" PRIu64 " checkpoint%s in %s %s the roots of this tree, the newest is of %" PRIu64 " records%s", o->same,
		o->same == 1 ? "" : "s", o->file, o->same == 1 ? "has" : "have", o->newest,
		o->newest == v->checkpoint.size ? ", as the bundle's" : ", fewer than the bundle's");
}
