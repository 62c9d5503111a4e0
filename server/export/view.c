/*
 * view: a record in words, by its kind.
 */
#include "export/view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "export/conversation.h"
#include "xmpp/ns.h"

static const struct elem *
child(const struct export_record *r, const char *ns, const char *name)
{
	return r->stanza ? elem_child(r->stanza, ns, name) : NULL;
}

static const char *
text_of(struct arena *a, const struct elem *e)
{
	const char *s = e ? elem_text(e, a) : "";

	return *s ? s : NULL;
}

static void
say(struct arena *a, const struct export_record *r, struct view *v)
{
	const struct elem *label = child(r, NS_LABEL, "securitylabel");

	v->shape = VIEW_SAID;
	v->words = r->body && *r->body ? r->body : NULL;
	v->subject = text_of(a, child(r, NS_CLIENT, "subject"));
	v->label = label ? text_of(a, elem_child(label, NS_LABEL, "displaymarking")) : NULL;
	v->reply_to = conversation_answers(r);
	if (r->kind == RECORD_CORRECTION)
		v->does = "corrected a message";
	else if (r->kind == RECORD_ANNOUNCEMENT)
		v->does = "announced";
	if (r->encrypted)
		v->note = v->words ? "End-to-end encrypted: the words are not in the record. This is what the sender\xe2\x80\x99s program says in their place." :
				     "End-to-end encrypted: the words are not in the record.";
	else if (r->type && !strcmp(r->type, "error"))
		v->note = "An error: what was sent came back, or could not be delivered.";
}

/* The nickname that somebody comes with, or goes by from now on. */
static const char *
nick_of(const struct export_record *r)
{
	const char *from = r->stanza ? elem_get(r->stanza, "from") : NULL, *slash = from ? strchr(from, '/') : NULL;
	const struct elem *x = child(r, NS_MUC_USER, "x"), *item = x ? elem_child(x, NS_MUC_USER, "item") : NULL;

	if (r->kind == RECORD_ROOM_NICK)
		return item ? elem_get(item, "nick") : NULL;
	return r->kind == RECORD_ROOM_ENTER && slash ? slash + 1 : NULL;
}

/* The words are all there is. */
static bool
is_status_only(const struct export_record *r)
{
	const struct elem *e = r->stanza ? elem_first(r->stanza) : NULL;

	return e && elem_is(e, NS_CLIENT, "status") && !elem_next(e, NULL, NULL);
}

/* Is what it says said by its line? */
static bool
is_plain(const struct export_record *r)
{
	switch (r->kind) {
	case RECORD_RETRACTION:
	case RECORD_REACTION:
	case RECORD_RECEIPT:
	case RECORD_TYPING:
	case RECORD_RETURNED:
	case RECORD_ROOM_ENTER:
	case RECORD_ROOM_LEAVE:
	case RECORD_MODERATION:
	case RECORD_SUBSCRIPTION:
		return true;
	case RECORD_PRESENCE:
		return r->body && *r->body && is_status_only(r);
	default:
		return r->nfiles || (conversation_is_words(r) && child(r, NS_CLIENT, "subject"));
	}
}

static void
happen(struct arena *a, const struct export_record *r, struct view *v)
{
	v->shape = VIEW_EVENT;
	v->does = conversation_deed(r, a);
	if (!*v->does)
		v->does = "did something that this program does not know";
	v->what = nick_of(r);
	v->words = r->kind == RECORD_SUBSCRIPTION || r->kind == RECORD_PRESENCE ? r->body : NULL;
	v->raw = r->xml && !v->what && !is_plain(r);
}

void
view_make(struct arena *a, const struct export_record *r, struct view *v)
{
	*v = (struct view){ .shape = VIEW_ERASED };
	if (r->erased)
		return;
	if (conversation_is_words(r) && (r->encrypted || (r->body && *r->body)))
		say(a, r, v);
	else
		happen(a, r, v);
}

const char *
view_address(struct arena *a, const struct export_person *p)
{
	if (!p->bare)
		return "";
	return p->resource ? arena_printf(a, "%s/%s", p->bare, p->resource) : p->bare;
}

char *
view_day(const char *day, char out[64])
{
	struct tm tm = {0};

	out[0] = '\0';
	if (sscanf(day, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
		return out;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	tm.tm_hour = 12;
	/* timegm fills in the day of the week. */
	if (timegm(&tm) == (time_t)-1 || !strftime(out, 64, tm.tm_mday < 10 ? "%A,%e %B %Y" : "%A, %e %B %Y", &tm))
		out[0] = '\0';
	return out;
}

char *
view_clock(int64_t us, char out[32])
{
	time_t t = (time_t)(us / 1000000 - (us % 1000000 < 0));
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%H:%M:%S", &tm))
		out[0] = '\0';
	return out;
}
