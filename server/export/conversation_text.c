/*
 * conversation_text: what a record is in words, and how others' texts are shown. See conversation.h.
 */
#include <string.h>

#include "export/conversation.h"
#include "xmpp/ns.h"

#define REACTIONS_BYTES 400
#define NAME_BYTES 200

/* Characters */

/* The length of the character at `s`, which is UTF-8, and its number. */
static size_t
decode(const char *s, uint32_t *code)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = *p < 0x80 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;

	*code = n == 1 ? *p : *p & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | (p[i] & 0x3F);
	return n;
}

static bool
is_mark(uint32_t c)
{
	static const uint32_t ranges[][2] = { { 0x00, 0x08 }, { 0x0B, 0x1F }, { 0x7F, 0x9F }, { 0xAD, 0xAD }, { 0x34F, 0x34F }, { 0x61C, 0x61C },
		{ 0x115F, 0x1160 }, { 0x17B4, 0x17B5 }, { 0x180B, 0x180F }, { 0x200B, 0x200B }, { 0x200E, 0x200F }, { 0x2028, 0x202E },
		{ 0x2060, 0x206F }, { 0x3164, 0x3164 }, { 0xFEFF, 0xFEFF }, { 0xFFA0, 0xFFA0 }, { 0xFFF0, 0xFFFB }, { 0x1D173, 0x1D17A }, { 0xE0000, 0xE0FFF } };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

size_t
conversation_mark(const char *s, uint32_t *code)
{
	unsigned char first = (unsigned char)*s;
	size_t n;

	/* What nearly all is; and within a character. */
	if (!first || (first >= ' ' && first < 0x7F) || (first >= 0x80 && first < 0xC2))
		return 0;
	n = decode(s, code);
	return is_mark(*code) ? n : 0;
}

void
conversation_show(struct buf *out, const char *s, bool one_line)
{
	uint32_t code;

	while (*s) {
		size_t n = conversation_mark(s, &code);

		if (n > 0 && code == '\r' && s[1] == '\n') {
			s++;
		} else if (n > 0) {
			buf_addf(out, "[U+%04X]", (unsigned)code);
			s += n;
		} else {
			buf_addc(out, one_line && (*s == '\n' || *s == '\t') ? ' ' : *s);
			s++;
		}
	}
}

const char *
conversation_line(struct arena *a, const char *s, size_t max)
{
	struct buf b = {0};
	const char *text, *out;
	size_t n;

	conversation_show(&b, s, true);
	text = buf_str(&b);
	n = buf_len(&b);
	if (n > max)
		for (n = max; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
			;
	out = arena_printf(a, "%.*s%s", (int)n, text, n < buf_len(&b) ? "\xe2\x80\xa6" : "");
	buf_fini(&b);
	return out;
}

void
conversation_who(struct buf *out, const struct export_person *p)
{
	if (!p->bare) {
		buf_adds(out, "(erased)");
		return;
	}
	if (strcmp(p->name, p->bare) != 0) {
		conversation_show(out, p->name, true);
		buf_adds(out, " <");
		conversation_show(out, p->bare, true);
		buf_addc(out, '>');
	} else {
		conversation_show(out, p->bare, true);
	}
}

void
conversation_file(struct buf *out, const struct export_file *f)
{
	conversation_show(out, f->name, true);
	buf_adds(out, " (");
	buf_addu(out, f->size);
	buf_adds(out, " bytes, ");
	if (f->path && *f->type) {
		conversation_show(out, f->type, true);
		buf_adds(out, ", ");
	}
	conversation_show(out, f->path ? f->path : f->why, true);
	buf_addc(out, ')');
}

/* Records */

bool
conversation_is_words(const struct export_record *r)
{
	return r->kind == RECORD_MESSAGE || r->kind == RECORD_CORRECTION || r->kind == RECORD_ANNOUNCEMENT;
}

static const char *
child_text(const struct export_record *r, const char *ns, const char *name, struct arena *a)
{
	const struct elem *c = r->stanza ? elem_child(r->stanza, ns, name) : NULL;

	return c ? elem_text(c, a) : NULL;
}

/* A message has its words; what has none has something else that its sender did. */
static const char *
deed_of_message(const struct export_record *r, struct arena *a)
{
	const char *subject = child_text(r, NS_CLIENT, "subject", a);

	if (r->encrypted)
		return "sent what is encrypted end to end: its words are not in the record";
	if (r->body)
		return "";
	if (subject)
		return *subject ? arena_printf(a, "set the subject: %s", conversation_line(a, subject, NAME_BYTES)) : "removed the subject";
	return r->nfiles ? "sent a file" : "sent what has no words";
}

static const char *
deed_of_receipt(const struct export_record *r)
{
	const struct elem *st = r->stanza;

	if (st && elem_child(st, NS_MARKERS, "displayed"))
		return "has seen it";
	if (st && elem_child(st, NS_MARKERS, "acknowledged"))
		return "has acknowledged it";
	return "has received it";
}

static const char *
deed_of_request(const struct export_record *r)
{
	if (r->type && !strcmp(r->type, "result"))
		return "answered a request of the other\xe2\x80\x99s program";
	if (r->type && !strcmp(r->type, "error"))
		return "refused a request of the other\xe2\x80\x99s program";
	return "sent a request to the other\xe2\x80\x99s program";
}

static const char *
deed_of_presence(const struct export_record *r)
{
	if (r->type && !strcmp(r->type, "unavailable"))
		return "went, and said with their presence";
	return "showed with their presence";
}

static const char *
deed_of_subscription(const struct export_record *r)
{
	if (r->type && !strcmp(r->type, "subscribe"))
		return "asked to see the presence of the other";
	if (r->type && !strcmp(r->type, "subscribed"))
		return "let the other see their presence";
	return "ended the subscription";
}

const char *
conversation_deed(const struct export_record *r, struct arena *a)
{
	static const char *const deeds[] = { [RECORD_RETRACTION] = "took back a message", [RECORD_TYPING] = "was writing",
		[RECORD_PROFILE] = "changed their profile", [RECORD_PUBLISH] = "changed what is published",
		[RECORD_PRIVATE] = "changed their private data", [RECORD_BLOCKING] = "changed whom they block, or reported somebody",
		[RECORD_ANNOUNCEMENT] = "announced", [RECORD_ROOM_ENTER] = "came into the room", [RECORD_ROOM_LEAVE] = "left the room",
		[RECORD_ROOM_NICK] = "goes by another nickname", [RECORD_ROOM_AFFILIATION] = "changed who may do what in the room",
		[RECORD_ROOM_CONFIG] = "created, configured or closed the room", [RECORD_MODERATION] = "took back a message as a moderator",
		[RECORD_PEER] = "(a stream with another server was authenticated)", [RECORD_PASSED] = "(messages went over a stream to or from another server)",
		[RECORD_FILE] = "sent a file, which was judged", [RECORD_FILE_FETCHED] = "fetched a file", [RECORD_ERASURE] = "(records were erased)" };

	if (r->erased)
		return "(erased)";
	switch (r->kind) {
	case RECORD_MESSAGE:
		return deed_of_message(r, a);
	case RECORD_CORRECTION:
		return "corrected a message";
	case RECORD_REACTION:
		return *conversation_reactions(r, a) ? arena_printf(a, "reacted: %s", conversation_reactions(r, a)) : "took back their reactions";
	case RECORD_RECEIPT:
		return deed_of_receipt(r);
	case RECORD_RETURNED:
		return arena_printf(a, "(record %llu went back to its sender and was not delivered)", (unsigned long long)r->refers_record);
	case RECORD_SUBSCRIPTION:
		return deed_of_subscription(r);
	case RECORD_REQUEST:
		return deed_of_request(r);
	case RECORD_PRESENCE:
		return deed_of_presence(r);
	default:
		return (size_t)r->kind < sizeof(deeds) / sizeof(deeds[0]) && deeds[r->kind] ? deeds[r->kind] : "";
	}
}

const char *
conversation_reactions(const struct export_record *r, struct arena *a)
{
	const struct elem *all = r->stanza ? elem_child(r->stanza, NS_REACTIONS, "reactions") : NULL, *c;
	struct buf b = {0};
	const char *out;

	for (c = all ? elem_child(all, NS_REACTIONS, "reaction") : NULL; c && buf_len(&b) < REACTIONS_BYTES;
	     c = elem_next(c, NS_REACTIONS, "reaction")) {
		if (buf_len(&b))
			buf_addc(&b, ' ');
		buf_adds(&b, conversation_line(a, elem_text(c, a), NAME_BYTES));
	}
	out = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return out;
}

const char *
conversation_answers(const struct export_record *r)
{
	const struct elem *c = r->stanza ? elem_child(r->stanza, "urn:xmpp:reply:0", "reply") : NULL;

	return c ? elem_get(c, "id") : NULL;
}
