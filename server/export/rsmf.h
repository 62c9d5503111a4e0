/*
 * rsmf: a file in the making, for rsmf.c (the file) and rsmf_event.c (its events).
 */
#ifndef EXPORT_RSMF_H
#define EXPORT_RSMF_H

#include <jansson.h>

#include "base/map.h"
#include "export/attached.h"
#include "export/conversation.h"
#include "export/mail.h"

#define RSMF_EVENTS 10000   /* in one file, as those who read them recommend */
#define RSMF_ID_BYTES 16

struct rsmf_said;

/* A record that changes another one; what it says is in changes_file, as JSON. */
struct rsmf_change {
	uint64_t target, id;    /* records */
	long offset;
	size_t len;
};

struct rsmf_part {
	struct export_context *x;
	struct export_group *group;
	uint64_t from;          /* of the group's records */
	size_t n;
	unsigned number;        /* of the group's files, from 1 */
	char conversation[2 * RSMF_ID_BYTES + 1];
	struct conversation *people;
	struct attached *attached;
	struct mail *mail;
	FILE *changes_file, *manifest;
	FILE *text, *zip;       /* the mail's */
	struct { FILE *content; const char *name; } file[ATTACHED_MAX];
	size_t nfiles;
	bool nested[RSMF_EVENTS]; /* no event, but a part of another one */
	struct rsmf_said *said;
	struct rsmf_change *changes;
	size_t nchanges;
	long changes_bytes;
	uint64_t events, written, attachments;
	struct buf line;
	struct arena *arena;    /* of one record */
};

/* In the first reading: is it an event, or a change of one? */
int rsmf_learn(struct rsmf_part *p, const struct export_record *r, struct err *e) MUST_CHECK;
/* Behind it. */
void rsmf_sort(struct rsmf_part *p);
/* In the second one: appends it to the manifest, with what changes it. */
int rsmf_write_event(struct rsmf_part *p, const struct export_record *r, const struct export_target *t, struct err *e) MUST_CHECK;
void rsmf_forget(struct rsmf_part *p);

/* A text as it is shown; never fails. */
json_t *rsmf_text(const char *s);
/* Appends it, and drops it. */
void rsmf_dump(struct buf *out, json_t *o);

#endif
