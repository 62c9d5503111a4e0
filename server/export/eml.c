/*
 * eml: eml/….eml, a mail for each conversation and day: what was said as its text, who took part in From and To, files attached.
 *
 * Days of one conversation are a thread: each mail has an id that is the same in all exports, and refers to those of the days before it. Its
 * records, with their log indexes and leaf hashes, are in headers, as many as are handy, and all in records.csv, which is attached: what is read
 * here can be found in proof/records.jsonl.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "export/attached.h"
#include "export/conversation.h"
#include "export/formats.h"
#include "export/mail.h"
#include "export/people.h"
#include "export/transcript.h"

#define HEADERS_MAX 100                  /* records with a header of their own */
#define REFERENCES_MAX 10
#define ID_ROOM 320
#define NAME_BYTES 600
#define INDENT "    "

/* The job's. */
struct state {
	char conversation[2 * SHA256_SIZE + 1];     /* whose days are being written */
	char references[REFERENCES_MAX][ID_ROOM];   /* its first day, then the last ones */
	size_t nreferences;
};

/* A mail in the making. */
struct day {
	struct export_context *x;
	struct export_group *group;
	struct conversation *people;
	struct mail *mail;
	FILE *text, *records;
	struct buf line;
	struct arena *arena;   /* of one record */
	struct attached *attached;
	size_t nheaders;
};

static int
put(FILE *f, struct buf *b, struct err *e)
{
	size_t n = buf_len(b);
	int rc = n > 0 && fwrite(buf_data(b), n, 1, f) != 1 ? err_set(e, EIO, "what is kept beside the export cannot be written") : 0;

	buf_clear(b);
	return rc;
}

/* Files and records */

static void
attach(struct day *d, const struct export_file *f)
{
	int fd;

	if (attached_take(d->attached, d->x, f, &fd) == ATTACHED_NOW)
		mail_attach_fd(d->mail, f->name, f->type, fd);
}

static int
note_record(struct day *d, const struct export_record *r, struct err *e)
{
	char leaf[2 * SHA256_SIZE + 1], time[32], *value;

	text_hex(r->leaf, SHA256_SIZE, leaf);
	export_time(r->at_us, time);
	buf_addf(&d->line, "%llu,%llu,%s,%s,%s,%s\r\n", (unsigned long long)r->log_index, (unsigned long long)r->id, time, r->kind_name,
		 r->erased ? "yes" : "no", leaf);
	if (d->nheaders < HEADERS_MAX) {
		value = arena_printf(d->arena, "log-index=%llu; id=%llu; leaf=%s", (unsigned long long)r->log_index, (unsigned long long)r->id, leaf);
		mail_add_header(d->mail, "X-Chancery-Record", value);
		d->nheaders++;
	}
	return put(d->records, &d->line, e);
}

static int
write_records(struct day *d, struct err *e)
{
	const struct export_record *r;
	const struct export_target *t;
	int rc;

	buf_adds(&d->line, "log_index,id,time,kind,erased,leaf_hash\r\n");
	export_group_rewind(d->group);
	while ((rc = export_group_next(d->group, &r, e)) > 0) {
		if (note_record(d, r, e) || export_group_target(d->group, r, &t, e))
			return -1;
		transcript_record(&d->line, r, t, d->arena);
		if (put(d->text, &d->line, e))
			return -1;
		for (size_t i = 0; i < r->nfiles; i++)
			attach(d, &r->files[i]);
		arena_reset(d->arena);
	}
	return rc;
}

/* People */

/* The whole list, where it is too long for headers. */
static int
attach_people(struct day *d, struct err *e)
{
	const struct conversation_counts *n = conversation_counts(d->people);
	const struct conversation_person *p;
	FILE *f = export_scratch(d->x, e);

	if (!f)
		return -1;
	if (conversation_rewind(d->people, e))
		goto fail;
	do {
		if (conversation_next(d->people, &p, e))
			goto fail;
		if (p)
			transcript_person(&d->line, p);
		else if (n->left_out)
			buf_addf(&d->line, INDENT "and %llu mentions of others\n", (unsigned long long)n->left_out);
		if (put(f, &d->line, e))
			goto fail;
	} while (p);
	mail_attach_scratch(d->mail, "participants.txt", "text/plain", f);
	return 0;
fail:
	(void)fclose(f);
	return -1;
}

static int
write_people(struct day *d, struct err *e)
{
	if (people_add(d->mail, d->group, d->people, d->x->turn, &d->line, e))
		return -1;
	if (conversation_counts(d->people)->people > PEOPLE_NAMED)
		buf_adds(&d->line, "All of them are in participants.txt.\n\n");
	if (put(d->text, &d->line, e))
		return -1;
	return conversation_counts(d->people)->people > PEOPLE_NAMED ? attach_people(d, e) : 0;
}

/* The thread */

static const char *
make_id(struct day *d, char conversation[2 * SHA256_SIZE + 1])
{
	const char *domain = strrchr(mail_address(d->x->turn, d->x->info->domain), '@');
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(d->group->conversation, strlen(d->group->conversation), sum);
	text_hex(sum, sizeof(sum), conversation);
	return arena_printf(d->x->turn, "%.32s.%s%s", conversation, d->group->day, domain);
}

static void
add_thread(struct state *s, struct day *d)
{
	char conversation[2 * SHA256_SIZE + 1];
	const char *id = make_id(d, conversation);
	struct buf all = {0};

	mail_set_id(d->mail, id);
	if (strcmp(conversation, s->conversation) != 0)
		s->nreferences = 0;
	memcpy(s->conversation, conversation, sizeof(conversation));
	for (size_t i = 0; i < s->nreferences; i++)
		buf_addf(&all, "%s<%s>", i ? " " : "", s->references[i]);
	if (s->nreferences) {
		mail_add_header(d->mail, "In-Reply-To", arena_printf(d->x->turn, "<%s>", s->references[s->nreferences - 1]));
		mail_add_header(d->mail, "References", buf_str(&all));
	}
	buf_fini(&all);
	if (s->nreferences == REFERENCES_MAX)
		memmove(s->references[1], s->references[2], (REFERENCES_MAX - 2) * ID_ROOM);
	else
		s->nreferences++;
	snprintf(s->references[s->nreferences - 1], ID_ROOM, "%s", id);
}

static void
add_headers(struct day *d)
{
	const struct conversation_counts *n = conversation_counts(d->people);
	struct arena *a = d->x->turn;
	const char *name = *d->group->conversation ? conversation_line(a, d->group->conversation, NAME_BYTES) : "(erased)";

	mail_set_date(d->mail, n->last_us);
	mail_add_header(d->mail, "Subject", arena_printf(a, "%s, %s", name, d->group->day));
	mail_add_header(d->mail, "X-Chancery-Conversation", name);
	mail_add_header(d->mail, "X-Chancery-Day", d->group->day);
	mail_add_header(d->mail, "X-Chancery-Records", arena_printf(a, "%llu", (unsigned long long)n->records));
	mail_add_header(d->mail, "X-Chancery-Erased", arena_printf(a, "%llu", (unsigned long long)n->erased));
}

static int
write_day(struct state *s, struct day *d, struct err *e)
{
	add_headers(d);
	add_thread(s, d);
	transcript_head(&d->line, d->group, conversation_counts(d->people));
	if (write_people(d, e) || write_records(d, e))
		return -1;
	return mail_write(d->mail, d->x, arena_printf(d->x->turn, "eml/%s.eml", d->group->stem), e);
}

/* The text is the first part, records.csv the second; both are written while the rest is found. */
static int
open_day(struct day *d, struct err *e)
{
	uint8_t key[2 * SHA256_SIZE];

	d->people = conversation_read(d->x, d->group, e);
	if (!d->people)
		return -1;
	memcpy(key, conversation_counts(d->people)->last_leaf, SHA256_SIZE);
	crypt_sha256(d->group->stem, strlen(d->group->stem), key + SHA256_SIZE);
	d->mail = mail_new(key, sizeof(key));
	d->arena = arena_new(0);
	d->attached = attached_new();
	d->text = export_scratch(d->x, e);
	if (!d->text)
		return -1;
	mail_set_text(d->mail, d->text);
	d->records = export_scratch(d->x, e);
	if (!d->records)
		return -1;
	mail_attach_scratch(d->mail, "records.csv", "text/csv", d->records);
	return 0;
}

static void
day_fini(struct day *d)
{
	attached_free(d->attached);
	conversation_free(d->people);
	buf_fini(&d->line);
	mail_free(d->mail);
	arena_free(d->arena);
}

static int
open_format(struct export_context *x, void **state, struct err *e)
{
	(void)x, (void)e;
	mail_setup();
	*state = NEW(struct state);
	return 0;
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	struct day d = { .x = x, .group = g };
	int rc = open_day(&d, e) || write_day(state, &d, e) ? -1 : 0;

	day_fini(&d);
	return rc;
}

static void
free_state(void *state)
{
	free(state);
}

const struct export_format export_eml = {
	.name = "eml", .about = "a mail for each conversation and day", .order = EXPORT_BY_CONVERSATION, .open = open_format, .group = group, .free = free_state,
};
