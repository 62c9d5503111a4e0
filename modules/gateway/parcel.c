#include "gateway/parcel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_name.h"
#include "base/text.h"
#include "gateway/priv.h"
#include "gateway/room.h"
#include "gateway/text.h"
#include "gateway/transfer.h"
#include "xmpp/ns.h"

#define WHY_BYTES 400
#define NAME_BYTES 255
#define LISTENERS 8 /* of a room, for whom a slot is asked for */

struct piece {
	struct spool *spool;
	const char *address; /* here, when it is uploaded; before that where it will be */
};

/* In its arena. Of those for the same person from the same one, only the first is worked at. */
struct parcel {
	struct list link;
	struct gateway *g;
	struct arena *arena;
	struct incoming_head head;
	struct gateway_incoming in;
	struct gateway_file *files; /* in.files; `refused` is set here */
	struct piece *pieces;
	unsigned nfiles, at;        /* at: which is worked at */
	unsigned listener;          /* in a room: the how manieth of those who hear it head.user is */
	bool begun, waits;          /* waits: for a transfer, or an answer */
	struct transfer *transfer;
};

/* What became of all stanzas of a parcel. */
struct tally {
	struct list link;
	struct gateway *g;
	unsigned left;
	enum xerror e;
	char *why;
	void (*stored)(void *arg, enum xerror e, const char *text);
	void *arg;
};

static struct list tallies = { &tallies, &tallies };

static void
parcel_free(struct parcel *p)
{
	list_remove(&p->link);
	p->g->parcels_due = true;
	p->g->ncoming--;
	transfer_cancel(p->transfer);
	for (unsigned i = 0; i < p->nfiles; i++)
		spool_free(p->pieces[i].spool);
	arena_free(p->arena);
}

/* The end of one: all stanzas */

static void
tally_free(struct tally *y)
{
	list_remove(&y->link);
	free(y->why);
	free(y);
}

static void
on_stored(void *arg, enum xerror e, const char *text)
{
	struct tally *y = arg;

	if (e != XERROR_NONE && y->e != XERROR_REMOTE_SERVER_TIMEOUT) {
		free(y->why);
		y->e = e;
		y->why = text ? mem_strdup(text) : NULL;
	}
	if (--y->left)
		return;
	y->stored(y->arg, y->e, y->why);
	tally_free(y);
}

static struct tally *
tally_new(const struct parcel *p, const struct gateway_file *refused)
{
	struct tally *y = NEW(struct tally);
	struct buf b = { 0 };

	*y = (struct tally){ .g = p->g, .left = 1, .e = XERROR_NONE, .stored = p->in.stored, .arg = p->in.arg };
	list_append(&tallies, &y->link);
	if (refused) {
		y->e = XERROR_NOT_ACCEPTABLE;
		buf_addf(&b, "the file %s was not let through: %s", refused->name ? refused->name : "without a name", refused->refused);
		y->why = mem_strdup(buf_str(&b));
		buf_fini(&b);
	}
	return y;
}

/* The text (`file` is nfiles), or a file; as the nth stanza. */
static void
say(struct parcel *p, struct tally *y, const struct gateway_incoming *in, unsigned file, unsigned nth)
{
	const char *url = p->pieces[file].address;
	struct incoming_head h = p->head;
	char id[40], there[32];

	if (nth) {
		/* The same again when the network says it again. */
		snprintf(there, sizeof(there), "file %u", nth);
		stable_id(id, h.user, h.id, there);
		h.id = id;
		h.there = NULL;
	}
	if (y)
		y->left++;
	if (h.nick)
		room_hear(p->g, &h, in, url, p->files[file].name);
	else
		incoming_send(p->g, &h, in, url);
}

/* Text first, with what was not let through; then the files. Without `stored` nobody is told what became of them, and each is offered again by itself (incoming.c). */
static void
write_all(struct parcel *p)
{
	struct gateway_incoming in = p->in;
	struct gateway_file *refused = arena_zalloc(p->arena, (p->nfiles + 1) * sizeof(*refused));
	struct tally *y = NULL;
	unsigned nth = 0;

	in.files = refused;
	in.nfiles = 0;
	for (unsigned i = 0; i < p->nfiles; i++)
		if (p->files[i].refused)
			refused[in.nfiles++] = p->files[i];
	if (in.stored) {
		in.arg = y = tally_new(p, in.nfiles ? refused : NULL);
		in.stored = on_stored;
	}
	if (in.body || in.nfiles || !p->nfiles)
		say(p, y, &in, p->nfiles, nth++);
	in.body = NULL;
	in.replaces = NULL;
	in.nfiles = 0;
	for (unsigned i = 0; i < p->nfiles; i++) {
		if (p->files[i].refused)
			continue;
		in.subject = nth ? NULL : in.subject;
		say(p, y, &in, i, nth++);
	}
	if (y)
		on_stored(y, XERROR_NONE, NULL);
}

/* One file */

static void
go_on(struct parcel *p)
{
	p->waits = false;
	p->g->parcels_due = true;
}

static void
next(struct parcel *p)
{
	p->at++;
	go_on(p);
}

static void
refuse_file(struct parcel *p, const char *why)
{
	struct gateway_file *f = &p->files[p->at];
	char *clean = gateway_text_clean(why, WHY_BYTES, true);

	log_info(NULL, "file-refused", "from=%s to=%s why=%s", p->head.from, p->head.user, clean);
	stats_count(&p->g->stats, "files_refused", 1);
	f->refused = arena_strdup(p->arena, clean);
	free(clean);
	next(p);
}

/* Not now. Who can say it again is told so, and nothing of it is said; else it is said without the file. */
static void
put_off(struct parcel *p, const char *why)
{
	log_warning(NULL, "file-not-now", "from=%s to=%s why=%s", p->head.from, p->head.user, why);
	if (!p->in.stored) {
		refuse_file(p, why);
		return;
	}
	incoming_forget(p->g, &p->head);
	p->in.stored(p->in.arg, XERROR_REMOTE_SERVER_TIMEOUT, why);
	parcel_free(p);
}

/* Its file has been moved; else that has been dealt with, and p may be gone. */
static bool
is_moved(struct parcel *p, enum transfer_end end, const char *why)
{
	p->transfer = NULL;
	if (end == TRANSFER_LATER)
		put_off(p, why);
	else if (end == TRANSFER_REFUSED)
		refuse_file(p, why);
	else
		return true;
	return false;
}

static void
on_put(void *arg, enum transfer_end end, const char *why, struct spool *file, const char *type)
{
	struct parcel *p = arg;

	(void)file;
	(void)type;
	if (!is_moved(p, end, why))
		return;
	stats_count(&p->g->stats, "files_in", 1);
	next(p);
}

/* Whom a slot has been refused to may be one who gets no files, or has no room for more. */
static bool
next_listener(struct parcel *p)
{
	const char *user = p->head.nick && p->listener + 1 < LISTENERS ? room_listener(p->g, p->head.from, p->listener + 1) : NULL;

	if (!user)
		return false;
	p->listener++;
	p->head.user = arena_strdup(p->arena, user);
	return true;
}

static void ask_slot(struct parcel *p);

static void
on_slot(struct gateway *g, void *arg, const struct stanza *st)
{
	struct parcel *p = arg;
	struct piece *piece = &p->pieces[p->at];
	const struct elem *slot = st ? elem_child(st->root, NS_UPLOAD, "slot") : NULL, *put = slot ? elem_child(slot, NS_UPLOAD, "put") : NULL,
		*get = slot ? elem_child(slot, NS_UPLOAD, "get") : NULL, *error = st ? elem_child(st->root, NS_COMPONENT, "error") : NULL,
		*text = error ? elem_child(error, NS_STANZA_ERRORS, "text") : NULL;
	const char *to = put ? elem_get(put, "url") : NULL, *address = get ? elem_get(get, "url") : NULL;

	if (to && address) {
		piece->address = arena_strdup(p->arena, address);
		p->transfer = transfer_put(g, to, p->files[p->at].type, piece->spool, on_put, p);
		piece->spool = NULL;
	} else if (question_may_again(st)) {
		put_off(p, text ? elem_text(text, st->arena) : "files are not taken now");
	} else if (next_listener(p)) {
		ask_slot(p);
	} else {
		refuse_file(p, text ? elem_text(text, st->arena) : "files are not taken");
	}
}

static void
ask_slot(struct parcel *p)
{
	struct gateway *g = p->g;
	const struct gateway_file *f = &p->files[p->at];
	char size[24];
	struct buf b = { 0 };

	snprintf(size, sizeof(size), "%" PRIu64, p->pieces[p->at].spool->size);
	buf_addf(&b, "<request xmlns='%s'", NS_UPLOAD);
	write_attr_cut(&b, "filename", f->name ? f->name : "file", NAME_BYTES);
	write_attr(&b, "size", size);
	write_attr(&b, "content-type", f->type);
	buf_addf(&b, "><for xmlns='%s'", NS_GATEWAY_TEXT);
	write_attr(&b, "jid", p->head.user);
	buf_adds(&b, " from='");
	gateway_text_add(&b, p->head.local, strlen(p->head.local), SIZE_MAX);
	buf_addf(&b, "@%s'/></request>", g->start.domain);
	question_ask(g, "get", g->settings.upload, buf_str(&b), on_slot, p, NULL);
	buf_fini(&b);
}

static void
on_fetched(void *arg, enum transfer_end end, const char *why, struct spool *file, const char *type)
{
	struct parcel *p = arg;
	struct gateway_file *f = &p->files[p->at];

	if (!is_moved(p, end, why))
		return;
	p->pieces[p->at].spool = file;
	if (!f->type && type)
		f->type = arena_strdup(p->arena, type);
	go_on(p);
}

static void
work(struct parcel *p)
{
	p->waits = true;
	if (p->pieces[p->at].spool)
		ask_slot(p);
	else
		p->transfer = transfer_get(p->g, p->files[p->at].url, false, on_fetched, p);
}

/* All of them */

static bool
is_same(const struct parcel *p, const struct incoming_head *h)
{
	if (strcmp(p->head.from, h->from) || !p->head.nick != !h->nick)
		return false;
	return h->nick ? !strcmp(p->head.nick, h->nick) : !strcmp(p->head.user, h->user);
}

static bool
is_first(const struct parcel *p)
{
	LIST_EACH(pos, &p->g->parcels) {
		const struct parcel *other = LIST_ENTRY(pos, struct parcel, link);

		if (other == p || is_same(other, &p->head))
			return other == p;
	}
	return true;
}

static void
look(struct gateway *g)
{
	g->parcels_due = false;
	LIST_EACH(pos, &g->parcels) {
		struct parcel *p = LIST_ENTRY(pos, struct parcel, link);

		if (p->waits || !(p->begun = p->begun || is_first(p)))
			continue;
		while (p->at < p->nfiles && p->files[p->at].refused)
			p->at++;
		if (p->at < p->nfiles) {
			work(p);
		} else {
			write_all(p);
			parcel_free(p);
		}
	}
}

void
parcels_turn(struct gateway *g)
{
	while (g->parcels_due)
		look(g);
}

bool
parcel_is_wanted(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in)
{
	if (in->nfiles && g->settings.upload && g->settings.upload_url)
		return true;
	LIST_EACH(pos, &g->parcels)
		if (is_same(LIST_ENTRY(pos, struct parcel, link), h))
			return true;
	return false;
}

/* -1: there is no room for it. */
static int
take_file(struct parcel *p, unsigned i, const struct gateway_file *f)
{
	struct gateway_file *mine = &p->files[i];
	struct gateway *g = p->g;
	char *clean = gateway_text_clean(f->name, NAME_BYTES, true);

	mine->name = clean ? file_name_clean(p->arena, clean) : NULL;
	mine->type = f->type && text_is_media_type(f->type) ? arena_strdup(p->arena, f->type) : NULL;
	mine->url = f->url ? arena_strdup(p->arena, f->url) : NULL;
	free(clean);
	if (i >= g->limits->message_files)
		mine->refused = "there are too many files in this message";
	else if (!f->url && !f->len)
		mine->refused = "it is empty";
	else if (!f->url && f->len > g->limits->file_bytes)
		mine->refused = arena_printf(p->arena, "it is larger than %" PRIu64 " bytes", g->limits->file_bytes);
	if (mine->refused || f->url)
		return 0;
	p->pieces[i].spool = spool_new(g, f->len);
	return p->pieces[i].spool ? spool_add(p->pieces[i].spool, f->data, f->len) : -1;
}

static char *
kept(struct parcel *p, const char *s)
{
	return s ? arena_strdup(p->arena, s) : NULL;
}

int
parcel_begin(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in)
{
	struct arena *a = arena_new(1024);
	struct parcel *p = arena_zalloc(a, sizeof(*p));
	int result = 0;

	p->g = g;
	p->arena = a;
	p->head = (struct incoming_head){ .user = kept(p, h->user), .from = kept(p, h->from), .nick = kept(p, h->nick), .local = kept(p, h->local), .id = kept(p, h->id),
		.there = kept(p, h->there) };
	p->in = *in;
	p->in.from = p->head.from;
	p->in.foreign = kept(p, in->foreign);
	p->in.network = kept(p, in->network);
	p->in.id = kept(p, in->id);
	p->in.replaces = kept(p, in->replaces);
	p->in.body = kept(p, in->body);
	p->in.subject = kept(p, in->subject);
	p->in.thread = kept(p, in->thread);
	p->in.note = kept(p, in->note);
	p->in.at_us = in->at_us ? in->at_us : clock_wall_us();
	p->nfiles = in->nfiles;
	p->in.files = p->files = arena_zalloc(a, (in->nfiles + 1) * sizeof(*p->files));
	p->pieces = arena_zalloc(a, (in->nfiles + 1) * sizeof(*p->pieces));
	list_append(&g->parcels, &p->link);
	g->parcels_due = true;
	g->ncoming++;
	for (unsigned i = 0; i < in->nfiles && !result; i++)
		result = take_file(p, i, &in->files[i]);
	if (result)
		parcel_free(p);
	return result;
}

void
parcels_end(struct gateway *g)
{
	while (!list_is_empty(&g->parcels))
		parcel_free(LIST_ENTRY(g->parcels.next, struct parcel, link));
	while (!list_is_empty(&tallies))
		tally_free(LIST_ENTRY(tallies.next, struct tally, link));
}
