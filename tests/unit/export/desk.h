/*
 * desk: what a format is given, without a database: records that a test makes, files in memory.
 *
 * For tests of formats: include it once; it stands in for source.c and bundle_out.c.
 */
#ifndef TESTS_EXPORT_DESK_H
#define TESTS_EXPORT_DESK_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "export/format.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define DESK_FILES 64
#define DESK_DAY INT64_C(1767225600000000) /* 2026-01-01 */

struct bundle_out {
	struct { char name[256]; struct buf data; } file[DESK_FILES];
	size_t n;
	bool open;
	uint64_t discard;     /* files from here on are counted only */
	uint64_t bytes;
	uint64_t fail_at;     /* bytes, then the disk is full; 0: never */
};

/* A group, and what makes its records. */
struct desk_group {
	struct export_group group;
	uint64_t at;
	void (*make)(uint64_t i, struct export_record *r);
	const struct export_target *(*target)(const struct export_record *r);
	struct arena *arena;
	struct stanza *stanza;
	struct export_record record;
	const char *file;     /* the content of all files; NULL: gone */
};

struct export_source {
	struct desk_group *group;
};

void
export_group_rewind(struct export_group *g)
{
	((struct desk_group *)g)->at = 0;
}

void
export_group_seek(struct export_group *g, uint64_t number)
{
	((struct desk_group *)g)->at = number;
}

int
export_group_next(struct export_group *g, const struct export_record **r, struct err *e)
{
	struct desk_group *d = (struct desk_group *)g;

	(void)e;
	if (d->at == g->records)
		return 0;
	arena_reset(d->arena);
	stanza_unref(d->stanza);
	d->stanza = NULL;
	d->record = (struct export_record){ .id = 1767225600000000 + d->at, .log_index = 100 + d->at, .at_us = DESK_DAY + (int64_t)d->at * 1000000,
		.kind = RECORD_MESSAGE, .kind_name = "message", .conversation = g->conversation, .place = g->place, .deliverable = true };
	memset(d->record.leaf, (int)d->at & 0xFF, sizeof(d->record.leaf));
	d->make(d->at, &d->record);
	if (d->record.xml) {
		d->record.xml_len = strlen(d->record.xml);
		d->stanza = parser_one(d->record.xml, d->record.xml_len, NS_CLIENT, NULL);
		d->record.stanza = d->stanza ? d->stanza->root : NULL;
	}
	d->at++;
	*r = &d->record;
	return 1;
}

int
export_group_target(struct export_group *g, const struct export_record *r, const struct export_target **t, struct err *e)
{
	struct desk_group *d = (struct desk_group *)g;

	(void)e;
	*t = d->target ? d->target(r) : NULL;
	return 0;
}

FILE *
export_scratch(struct export_context *x, struct err *e)
{
	(void)x, (void)e;
	return tmpfile();
}

int
export_file_open(struct export_context *x, const struct export_file *f, struct err *e)
{
	const char *text = x->source->group->file;
	char name[] = "/tmp/chancery-desk-XXXXXX";
	int fd;

	if (!text || !f->path)
		return err_set(e, ENOENT, "gone");
	fd = mkstemp(name);
	(void)unlink(name);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

char *
export_time(int64_t us, char out[32])
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
	return out;
}

int
bundle_open(struct bundle_out *b, const char *name, bool stored, struct err *e)
{
	(void)stored;
	if (b->open || b->n == DESK_FILES)
		return err_set(e, 0, "a file is open");
	snprintf(b->file[b->n].name, sizeof(b->file[b->n].name), "%s", name);
	b->open = true;
	return 0;
}

int
bundle_write(struct bundle_out *b, const void *p, size_t n, struct err *e)
{
	b->bytes += n;
	if (b->fail_at && b->bytes > b->fail_at)
		return err_set(e, ENOSPC, "the export cannot be written: no space");
	if (!b->discard)
		buf_add(&b->file[b->n].data, p, n);
	return 0;
}

int
bundle_close(struct bundle_out *b, struct err *e)
{
	(void)e;
	b->open = false;
	b->n += !b->discard;
	return 0;
}

struct desk {
	struct bundle_out out;
	struct export_info info;
	struct export_source source;
	struct export_context x;
	void *state;
	const struct export_format *format;
};

static inline void
desk_open(struct desk *k, const struct export_format *f)
{
	struct err e = {0};

	memset(k, 0, sizeof(*k));
	k->format = f;
	k->info = (struct export_info){ .job = 7, .domain = "example.org", .query = "{}", .query_text = "everything", .asked_by = "olivia" };
	k->x = (struct export_context){ .info = &k->info, .out = &k->out, .turn = arena_new(0), .source = &k->source };
	if (f->open && f->open(&k->x, &k->state, &e))
		abort();
}

static inline int
desk_group(struct desk *k, struct desk_group *d, struct err *e)
{
	int rc;

	k->source.group = d;
	d->at = 0;
	d->arena = arena_new(0);
	d->group.order = EXPORT_BY_CONVERSATION;
	if (!d->group.day)
		d->group.day = "2026-01-01";
	if (!d->group.stem)
		d->group.stem = "2026-01-01-romeo-juliet-0123456789abcdef";
	rc = k->format->group(&k->x, k->state, &d->group, e);
	stanza_unref(d->stanza);
	arena_free(d->arena);
	arena_reset(k->x.turn);
	return rc;
}

static inline void
desk_close(struct desk *k)
{
	struct err e = {0};

	if (k->format->close && k->format->close(&k->x, k->state, &e))
		abort();
	if (k->format->free)
		k->format->free(k->state);
	for (size_t i = 0; i < DESK_FILES; i++)
		buf_fini(&k->out.file[i].data);
	arena_free(k->x.turn);
}

#endif
