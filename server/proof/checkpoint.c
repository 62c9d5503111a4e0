/*
 * checkpoint: checkpoints and hand-overs of keys (see checkpoint.h; https://c2sp.org/tlog-checkpoint).
 */
#include "proof/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proof/line.h"

#define HANDOVER "chancery-key-handover/v1"

void
checkpoint_text(const struct checkpoint *c, struct buf *out)
{
	char root[text_base64_size(MERKLE_HASH)];

	text_base64_encode(c->root, MERKLE_HASH, root);
	buf_addf(out, "%s\n%" PRIu64 "\n%s\n", c->origin, c->size, root);
	if (c->time)
		buf_addf(out, "time %" PRId64 "\n", c->time);
}

int
checkpoint_sign(const struct checkpoint *c, const struct note_signer *s, struct buf *out, struct err *e)
{
	struct buf text = { 0 };
	int rc;

	if (strcmp(c->origin, note_signer_key(s)->name) != 0)
		return err_set(e, 0, "the checkpoint is of %s, the key is of %s", c->origin, note_signer_key(s)->name);
	checkpoint_text(c, &text);
	rc = note_sign(s, buf_data(&text), buf_len(&text), out, e);
	buf_fini(&text);
	return rc;
}

int
checkpoint_parse(const char *text, size_t n, struct checkpoint *c, struct err *e)
{
	struct lines l = { text, text + n };
	const char *s;
	size_t len;

	memset(c, 0, sizeof(*c));
	if (!line_next(&l, &s, &len) || !note_is_name(s, len))
		return err_set(e, 0, "no checkpoint: its first line is no origin");
	memcpy(c->origin, s, len);
	if (!line_next(&l, &s, &len) || !line_u64(s, len, MERKLE_SIZE_MAX, &c->size))
		return err_set(e, 0, "no checkpoint: its second line is no size");
	if (!line_next(&l, &s, &len) || len != 44 || !line_base64(s, len, c->root, MERKLE_HASH))
		return err_set(e, 0, "no checkpoint: its third line is no root");
	while (line_next(&l, &s, &len)) {
		uint64_t time;

		if (!len)
			return err_set(e, 0, "no checkpoint: an extension line is empty");
		if (len < 5 || memcmp(s, "time ", 5) != 0)
			continue;
		if (c->time || !line_u64(s + 5, len - 5, INT64_MAX, &time) || !time)
			return err_set(e, 0, "no checkpoint: its time is none");
		c->time = (int64_t)time;
	}
	return l.at == l.end ? 0 : err_set(e, 0, "no checkpoint: its last line has no end");
}

int
checkpoint_open(const char *p, size_t n, const struct note_key *k, struct checkpoint *c, struct err *e)
{
	struct note note;

	if (note_parse(p, n, &note, e) != 0 || checkpoint_parse(note.text, note.text_n, c, e) != 0)
		return -1;
	if (strcmp(c->origin, k->name) != 0)
		return err_set(e, 0, "the checkpoint is of another log (%s)", c->origin);
	switch (note_verify(&note, k)) {
	case NOTE_SIGNED:
		return 0;
	case NOTE_FORGED:
		return err_set(e, 0, "the checkpoint's signature is forged, or it was altered");
	case NOTE_UNSIGNED:
		break;
	}
	return err_set(e, 0, "the checkpoint is not signed by the key");
}

static int
handover_text(const struct handover *h, struct buf *out, struct err *e)
{
	char from[NOTE_VKEY_MAX], to[NOTE_VKEY_MAX];

	if (strcmp(h->from.name, h->to.name) != 0)
		return err_set(e, 0, "the keys are of different logs");
	if (note_key_equal(&h->from, &h->to))
		return err_set(e, 0, "the new key is the old one");
	note_key_text(&h->from, from);
	note_key_text(&h->to, to);
	buf_addf(out, HANDOVER "\n%s\nfrom %s\nto %s\nsize %" PRIu64 "\ntime %" PRId64 "\n%s", h->to.name, from, to, h->size, h->time,
		h->lost ? "lost\n" : "");
	return 0;
}

int
handover_sign(struct handover *h, const struct note_signer *from, const struct note_signer *to, struct buf *out, struct err *e)
{
	struct buf text = { 0 }, note = { 0 };
	int rc;

	h->lost = !from;
	if (from)
		h->from = *note_signer_key(from);
	h->to = *note_signer_key(to);
	rc = handover_text(h, &text, e);
	if (!rc)
		rc = note_sign(from ? from : to, buf_data(&text), buf_len(&text), &note, e);
	if (!rc && from)
		rc = note_sign_too(to, &note, e);
	if (!rc)
		buf_add(out, buf_data(&note), buf_len(&note));
	buf_fini(&note);
	buf_fini(&text);
	return rc;
}

/* "WORD VKEY". */
static bool
read_key(struct lines *l, const char *word, struct note_key *k)
{
	char vkey[NOTE_VKEY_MAX];
	struct err e;
	const char *s;
	size_t n;

	if (!line_word(l, word, &s, &n) || n >= sizeof(vkey))
		return false;
	memcpy(vkey, s, n);
	vkey[n] = '\0';
	return note_key_parse(vkey, k, &e) == 0;
}

static bool
handover_read(const struct note *note, struct handover *h)
{
	struct lines l = { note->text, note->text + note->text_n };
	const char *s;
	uint64_t time;
	size_t n;

	if (!line_next(&l, &s, &n) || n != strlen(HANDOVER) || memcmp(s, HANDOVER, n) != 0)
		return false;
	if (!line_next(&l, &s, &n) || !read_key(&l, "from", &h->from) || !read_key(&l, "to", &h->to))
		return false;
	if (n != strlen(h->from.name) || memcmp(s, h->from.name, n) != 0 || strcmp(h->from.name, h->to.name) != 0 ||
	    note_key_equal(&h->from, &h->to))
		return false;
	if (!line_word(&l, "size", &s, &n) || !line_u64(s, n, MERKLE_SIZE_MAX, &h->size) || !line_word(&l, "time", &s, &n) ||
	    !line_u64(s, n, INT64_MAX, &time))
		return false;
	h->time = (int64_t)time;
	h->lost = line_next(&l, &s, &n);
	return (!h->lost || (n == 4 && !memcmp(s, "lost", 4))) && l.at == l.end;
}

int
handover_open(const char *p, size_t n, struct handover *h, struct err *e)
{
	struct note note;

	if (note_parse(p, n, &note, e) != 0)
		return -1;
	if (!handover_read(&note, h))
		return err_set(e, 0, "no hand-over of a key");
	if (note_verify(&note, &h->to) != NOTE_SIGNED)
		return err_set(e, 0, "the hand-over is not signed by the new key");
	if (!h->lost && note_verify(&note, &h->from) != NOTE_SIGNED)
		return err_set(e, 0, "the hand-over is not signed by the old key");
	return 0;
}
