/*
 * rsmf: rsmf/….rsmf, what review tools load: Relativity Short Message Format 2.0, a file for each conversation and day, of at most 10,000 records.
 *
 * Such a file is a mail with one attachment, rsmf.zip: rsmf_manifest.json (rsmf_event.c) and files. The records of a file are read twice: first it is
 * learnt who is in it, and which records only change others (corrections, reactions…); these are kept in a scratch file and written with
 * what they change. What changes a record that is in another file is an event of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "export/formats.h"
#include "export/people.h"
#include "export/rsmf.h"
#include "export/transcript.h"
#include "export/zip_box.h"

#define VERSION "2.0.0"
#define MANIFEST "rsmf_manifest.json"
#define NAME_BYTES 600

/* Reading: what is said, and what changes it */

/* The scratch file of the text, then that of the manifest. */
static int
put(FILE *f, struct buf *b, struct err *e)
{
	size_t n = buf_len(b);
	int rc = n > 0 && fwrite(buf_data(b), n, 1, f) != 1 ? err_set(e, EIO, "what is kept beside the export cannot be written") : 0;

	buf_clear(b);
	return rc;
}

static int
survey(struct rsmf_part *p, struct err *e)
{
	const struct export_record *r;
	int rc = 1;

	export_group_seek(p->group, p->from);
	while (p->n < RSMF_EVENTS && (rc = export_group_next(p->group, &r, e)) > 0) {
		if (conversation_add(p->people, r, e) || rsmf_learn(p, r, e))
			return -1;
		p->n++;
		arena_reset(p->arena);
	}
	return rc < 0 ? -1 : 0;
}

/* Writing: the text and the events */

static int
write_records(struct rsmf_part *p, struct err *e)
{
	const struct export_record *r;
	const struct export_target *t;
	int rc = 0;

	export_group_seek(p->group, p->from);
	for (size_t i = 0; i < p->n && !rc; i++) {
		if (export_group_next(p->group, &r, e) <= 0 || export_group_target(p->group, r, &t, e))
			return -1;
		transcript_record(&p->line, r, t, p->arena);
		rc = put(p->text, &p->line, e);
		if (!rc && !p->nested[i])
			rc = rsmf_write_event(p, r, t, e);
		arena_reset(p->arena);
	}
	return rc;
}

static int
write_json(struct rsmf_part *p, json_t *o, const char *before, struct err *e)
{
	buf_adds(&p->line, before);
	rsmf_dump(&p->line, o);
	return put(p->manifest, &p->line, e);
}

static int
write_people(struct rsmf_part *p, struct err *e)
{
	const struct conversation_person *who;
	const char *before = "";

	if (conversation_rewind(p->people, e))
		return -1;
	buf_adds(&p->line, "\"participants\":[");
	for (; !conversation_next(p->people, &who, e); before = ",") {
		if (!who) {
			buf_adds(&p->line, "],\n");
			return put(p->manifest, &p->line, e);
		}
		if (write_json(p, json_pack("{s:s,s:o,s:s,s:o,s:[{s:s,s:s}]}", "id", who->tag, "display", rsmf_text(who->name), "email",
					    mail_address(p->arena, who->bare), "account_id", rsmf_text(who->bare), "custom", "name", "Belongs to", "value",
					    who->ours ? "this server" : "elsewhere"),
			       before, e))
			return -1;
		arena_reset(p->arena);
	}
	return -1;
}

/* The format wants the people of a room as they were at the beginning; who is known to have been there are those who are in it. */
static int
write_conversation(struct rsmf_part *p, struct err *e)
{
	const struct conversation_person *who;
	const char *before = "";
	json_t *o = json_pack("{s:s,s:o,s:s,s:s,s:[{s:s,s:s}]}", "id", p->conversation, "display",
			      rsmf_text(*p->group->conversation ? p->group->conversation : "(erased)"), "platform", "xmpp", "type",
			      p->group->place == EXPORT_ROOM ? "channel" : "direct", "custom", "name", "Day (UTC)", "value", p->group->day);

	if (conversation_rewind(p->people, e)) {
		json_decref(o);
		return -1;
	}
	buf_adds(&p->line, "\"conversations\":[");
	rsmf_dump(&p->line, o);
	/* The object goes on. */
	p->line.len--;
	buf_adds(&p->line, ",\"participants\":[");
	for (; !conversation_next(p->people, &who, e); before = ",") {
		if (!who) {
			buf_adds(&p->line, "]}],\n\"events\":[\n");
			return put(p->manifest, &p->line, e);
		}
		buf_addf(&p->line, "%s\"%s\"", before, who->tag);
		if (put(p->manifest, &p->line, e))
			return -1;
	}
	return -1;
}

static int
write_manifest(struct rsmf_part *p, struct err *e)
{
	buf_addf(&p->line, "{\"version\":\"" VERSION "\",\n\"eventcollectionid\":\"%s\",\n", p->conversation);
	if (write_people(p, e) || write_conversation(p, e) || write_records(p, e))
		return -1;
	buf_adds(&p->line, "]}\n");
	return put(p->manifest, &p->line, e);
}

static int
write_zip(struct rsmf_part *p, struct err *e)
{
	struct zip_box *z = zip_box_new(p->zip, conversation_counts(p->people)->last_us);
	int rc = zip_box_add(z, MANIFEST, p->manifest, true, e);

	for (size_t i = 0; i < p->nfiles && !rc; i++)
		rc = zip_box_add(z, p->file[i].name, p->file[i].content, false, e);
	if (!rc)
		rc = zip_box_end(z, e);
	zip_box_free(z);
	return rc;
}

/* The mail */

static int
add_names(struct rsmf_part *p, struct err *e)
{
	const struct conversation_person *who;
	struct buf all = {0};
	int rc;

	rc = conversation_rewind(p->people, e);
	for (size_t i = 0; i < PEOPLE_NAMED && !rc; i++) {
		rc = conversation_next(p->people, &who, e);
		if (rc || !who)
			break;
		if (i)
			buf_adds(&all, ", ");
		buf_adds(&all, conversation_line(p->x->turn, who->name, 100));
	}
	if (!rc && buf_len(&all))
		mail_add_header(p->mail, "X-RSMF-Participants", buf_str(&all));
	buf_fini(&all);
	return rc;
}

static int
add_headers(struct rsmf_part *p, struct err *e)
{
	const struct conversation_counts *n = conversation_counts(p->people);
	struct arena *a = p->x->turn;
	const char *name = *p->group->conversation ? conversation_line(a, p->group->conversation, NAME_BYTES) : "(erased)";
	char begin[32], end[32];

	mail_set_date(p->mail, n->last_us);
	mail_set_id(p->mail, arena_printf(a, "%s.%s.%u.rsmf%s", p->conversation, p->group->day, p->number,
					  strrchr(mail_address(a, p->x->info->domain), '@')));
	mail_add_header(p->mail, "Subject", arena_printf(a, "%s, %s%s", name, p->group->day, p->number > 1 ? arena_printf(a, ", part %u", p->number) : ""));
	mail_add_header(p->mail, "X-RSMF-Version", VERSION);
	mail_add_header(p->mail, "X-RSMF-Generator", "Chancery " CHANCERY_VERSION);
	mail_add_header(p->mail, "X-RSMF-BeginDate", export_time(n->first_us, begin));
	mail_add_header(p->mail, "X-RSMF-EndDate", export_time(n->last_us, end));
	mail_add_header(p->mail, "X-RSMF-EventCount", arena_printf(a, "%llu", (unsigned long long)p->events));
	mail_add_header(p->mail, "X-RSMF-AttachmentCount", arena_printf(a, "%llu", (unsigned long long)p->attachments));
	mail_add_header(p->mail, "X-RSMF-Application", "XMPP");
	mail_add_header(p->mail, "X-RSMF-EventCollectionID", p->conversation);
	return add_names(p, e);
}

static int
write_part(struct rsmf_part *p, struct err *e)
{
	const char *path;

	rsmf_sort(p);
	transcript_head(&p->line, p->group, conversation_counts(p->people));
	if (people_add(p->mail, p->group, p->people, p->x->turn, &p->line, e) || put(p->text, &p->line, e) || conversation_rewind(p->people, e) ||
	    write_manifest(p, e) || write_zip(p, e) || add_headers(p, e))
		return -1;
	path = p->number > 1 ? arena_printf(p->x->turn, "rsmf/%s.%u.rsmf", p->group->stem, p->number) :
			       arena_printf(p->x->turn, "rsmf/%s.rsmf", p->group->stem);
	return mail_write(p->mail, p->x, path, e);
}

static int
open_part(struct rsmf_part *p, struct err *e)
{
	uint8_t key[2 * SHA256_SIZE];

	p->arena = arena_new(0);
	p->attached = attached_new();
	p->people = conversation_new(p->x, e);
	p->changes_file = export_scratch(p->x, e);
	p->manifest = export_scratch(p->x, e);
	if (!p->people || !p->changes_file || !p->manifest || survey(p, e))
		return -1;
	memcpy(key, conversation_counts(p->people)->last_leaf, SHA256_SIZE);
	crypt_sha256(p->group->stem, strlen(p->group->stem), key + SHA256_SIZE);
	p->mail = mail_new(key, sizeof(key));
	p->text = export_scratch(p->x, e);
	if (!p->text)
		return -1;
	mail_set_text(p->mail, p->text);
	p->zip = export_scratch(p->x, e);
	if (!p->zip)
		return -1;
	mail_attach_scratch(p->mail, "rsmf.zip", "application/zip", p->zip);
	return 0;
}

static void
close_part(struct rsmf_part *p)
{
	for (size_t i = 0; i < p->nfiles; i++)
		(void)fclose(p->file[i].content);
	if (p->changes_file)
		(void)fclose(p->changes_file);
	if (p->manifest)
		(void)fclose(p->manifest);
	rsmf_forget(p);
	conversation_free(p->people);
	attached_free(p->attached);
	mail_free(p->mail);
	buf_fini(&p->line);
	arena_free(p->arena);
	free(p);
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	uint8_t sum[SHA256_SIZE];
	uint64_t from = 0;
	int rc = 0;

	(void)state;
	crypt_sha256(g->conversation, strlen(g->conversation), sum);
	for (unsigned number = 1; from < g->records && !rc; number++) {
		struct rsmf_part *p = NEW(struct rsmf_part);

		p->x = x;
		p->group = g;
		p->from = from;
		p->number = number;
		text_hex(sum, RSMF_ID_BYTES, p->conversation);
		rc = open_part(p, e) || write_part(p, e) ? -1 : 0;
		from += p->n;
		close_part(p);
	}
	return rc;
}

static int
open_format(struct export_context *x, void **state, struct err *e)
{
	(void)x, (void)state, (void)e;
	mail_setup();
	return 0;
}

const struct export_format export_rsmf = {
	.name = "rsmf", .about = "Relativity Short Message Format 2.0, for review tools", .order = EXPORT_BY_CONVERSATION, .open = open_format, .group = group,
};
