/*
 * conversation: what formats that show conversations to people have in common: who took part, what a record is in words, how others' texts
 * are shown so that they deceive nobody.
 *
 * Groups of EXPORT_BY_CONVERSATION (format.h) are a conversation's records of one day, in the order of the log; days of one conversation follow
 * each other. A format calls conversation_read at the beginning of its group function, which reads the group once, then rewinds and writes.
 * Memory is bounded: of each person a hash is kept, names are in a scratch file.
 *
 * Texts: whatever people wrote goes through conversation_show (or, for who marks them up himself, conversation_mark) before it is shown.
 */
#ifndef EXPORT_CONVERSATION_H
#define EXPORT_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "export/format.h"

#define CONVERSATION_PEOPLE 1000000 /* who are kept of one group; more are counted */

/* Who took part */

struct conversation_person {
	const char *bare, *name; /* as in struct export_person, at their first record of the group */
	bool ours;
	uint64_t sent;           /* records that are from them */
	char tag[20];            /* "p-" and 16 hexadecimal digits: of the address, the same in all groups; fit for a key or an anchor */
};

struct conversation;

struct conversation_counts {
	uint64_t records, messages, erased, files; /* files: mentions, not contents */
	uint64_t people, left_out;                 /* who can be read; who are too many */
	int64_t first_us, last_us;                 /* of all records */
	uint8_t last_leaf[SHA256_SIZE];            /* of the last record: nobody who wrote any of them knew it then */
};

/* Reads all of `g`, which is not rewound behind it. NULL and `e`. */
struct conversation *conversation_read(struct export_context *x, struct export_group *g, struct err *e) MUST_CHECK;
/* The same of some records only, one by one; conversation_rewind before people are read. */
struct conversation *conversation_new(struct export_context *x, struct err *e) MUST_CHECK;
int conversation_add(struct conversation *c, const struct export_record *r, struct err *e) MUST_CHECK;
void conversation_free(struct conversation *c);
const struct conversation_counts *conversation_counts(const struct conversation *c);
/* Who sent something or was sent something, in the order of their first record; a room itself is nobody. *p NULL is the end; valid until the
 * next call. */
int conversation_rewind(struct conversation *c, struct err *e) MUST_CHECK;
int conversation_next(struct conversation *c, const struct conversation_person **p, struct err *e) MUST_CHECK;
/* "p-…" of an address. */
void conversation_tag(const char *bare, char out[20]);

/* What a record is */

/* Somebody's words: message, announcement, correction. */
bool conversation_is_words(const struct export_record *r);
/* What its sender has done, in words without a subject, in `a`: "came into the room", "read what was said"; "" for messages. One line. */
const char *conversation_deed(const struct export_record *r, struct arena *a);
/* What a reaction says, one after the other with spaces between, as many as there is room for, shown as by conversation_show; "" is that all were
 * taken back. */
const char *conversation_reactions(const struct export_record *r, struct arena *a);
/* The id of the message that this one answers (XEP-0461); NULL. */
const char *conversation_answers(const struct export_record *r);

/* How it is shown */

/* How many bytes at `s` are a character that is not seen, or that changes how others are seen: controls (but TAB and LF), marks of direction, spaces of no
 * width, ends of lines that are none, tags. *code is its number. 0: what is there is to be shown as it is. Joiners (U+200C, U+200D) are,
 * as languages and emoji need them. */
size_t conversation_mark(const char *s, uint32_t *code);
/* Appends a text with such characters as "[U+202E]". `one_line`: ends of lines and tabs become spaces. */
void conversation_show(struct buf *out, const char *s, bool one_line);
/* The same in an arena, on one line, cut to `max` bytes with "…". */
const char *conversation_line(struct arena *a, const char *s, size_t max);
/* "Romeo <romeo@example.org>", or the address alone where that is the name; "(erased)". One line. */
void conversation_who(struct buf *out, const struct export_person *p);
/* "plan.txt (1234 bytes, text/plain, files/…)" or "plan.txt (1234 bytes, infected)". One line. */
void conversation_file(struct buf *out, const struct export_file *f);

#endif
