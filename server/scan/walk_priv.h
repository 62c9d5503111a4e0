/*
 * walk_priv: what the files of the walk share: walk.c (archives in archives), walk_level.c (one archive, as libarchive reads it), walk_entry.c
 * (its members, unpacked and measured).
 */
#ifndef SCAN_WALK_PRIV_H
#define SCAN_WALK_PRIV_H

#include <archive.h>
#include <stdbool.h>
#include <stdint.h>

#include "scan/kind.h"
#include "scan/walk.h"
#include "scan/zip.h"

#define LEVEL_BLOCK 65536
#define WORK_FACTOR 4 /* of archive_bytes: leaves and what they came out of */

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
	unsigned char block[LEVEL_BLOCK];
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

/* All of these: 0, or -1 with what was found in w->f. */

/* walk_level.c. The innermost: kind and bytes of `s`; `engine_sees` and `led` as in struct level. It is on top then, unless it is an empty ZIP. */
int level_open(struct walk *w, const struct kind *kind, const struct source *s, bool engine_sees, bool led);
void level_close(struct level *l);
void level_free(struct level *l);
/* What libarchive has just refused, in our words. -1. */
int level_says(struct walk *w, struct level *l);

/* walk_entry.c. The next member of an archive, unpacked into l->member. */
enum entry { ENTRY_WRONG = -1, ENTRY_END, ENTRY_NOTHING, ENTRY_FILE };
enum entry entry_next(struct walk *w, struct level *l, uint64_t *size);
/* After the last one: nothing follows that somebody else would read, and nothing was left out. `encrypted`: libarchive has said so. */
int entry_end(struct walk *w, struct level *l, bool encrypted);
/* How far libarchive has come in the archive: before it is closed. */
void entry_note_used(struct level *l);

/* walk.c. A file without a name; -1 with errno. */
int walk_scratch(struct walk *w, const char *name);
int walk_write(struct walk *w, int fd, const void *p, size_t n, uint64_t at);

#endif
