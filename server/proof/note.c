/*
 * note: signed notes (see note.h; https://c2sp.org/signed-note).
 */
#include "proof/note.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proof/note_key.h"

#define DASH "\xe2\x80\x94 " /* U+2014 and a space begin a signature line */
#define DASH_N 4

/* Whole lines of UTF-8 without control characters. */
static bool
is_text(const char *s, size_t n)
{
	if (!n || s[n - 1] != '\n' || !text_is_utf8(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\n')
			return false;
	return true;
}

static void
add_signature(const struct note_signer *s, const char *text, size_t n, struct buf *out)
{
	const struct note_key *k = note_signer_key(s);
	uint8_t raw[NOTE_ID + NOTE_ED25519];
	char base64[text_base64_size(sizeof(raw))];

	memcpy(raw, k->id, NOTE_ID);
	note_signer_sign(s, text, n, raw + NOTE_ID);
	text_base64_encode(raw, sizeof(raw), base64);
	buf_addf(out, DASH "%s %s\n", k->name, base64);
}

int
note_sign(const struct note_signer *s, const char *text, size_t n, struct buf *out, struct err *e)
{
	if (n > NOTE_BYTES_MAX / 2 || !is_text(text, n))
		return err_set(e, 0, "a note's text must be whole lines of UTF-8");
	buf_add(out, text, n);
	buf_addc(out, '\n');
	add_signature(s, text, n, out);
	return 0;
}

int
note_sign_too(const struct note_signer *s, struct buf *note, struct err *e)
{
	struct note parsed;
	struct buf text = { 0 };

	if (note_parse(buf_data(note), buf_len(note), &parsed, e) != 0)
		return -1;
	if (parsed.n == NOTE_SIGNATURES)
		return err_set(e, 0, "the note has %d signatures already", NOTE_SIGNATURES);
	/* The buffer may move while it grows. */
	buf_add(&text, parsed.text, parsed.text_n);
	add_signature(s, buf_data(&text), buf_len(&text), note);
	buf_fini(&text);
	return 0;
}

/* One line "— name base64", without its newline. */
static bool
parse_signature(const char *p, size_t n, struct note_signature *s)
{
	uint8_t raw[NOTE_SIGNATURE_MAX];
	const char *space;

	if (n < DASH_N || memcmp(p, DASH, DASH_N) != 0)
		return false;
	p += DASH_N;
	n -= DASH_N;
	space = memchr(p, ' ', n);
	if (!space || !note_is_name(p, (size_t)(space - p)))
		return false;
	s->name = p;
	s->name_n = (size_t)(space - p);
	s->base64 = space + 1;
	s->base64_n = n - s->name_n - 1;
	if (s->base64_n > NOTE_SIGNATURE_MAX || text_base64_decode(s->base64, s->base64_n, raw) <= NOTE_ID)
		return false;
	memcpy(s->id, raw, NOTE_ID);
	return true;
}

/* The empty line before the signatures: the last one of the note. NULL: none. Points at its newline. */
static const char *
find_end(const char *p, size_t n)
{
	for (size_t i = n; i-- > 1;)
		if (p[i] == '\n' && p[i - 1] == '\n')
			return p + i;
	return NULL;
}

int
note_parse(const char *p, size_t n, struct note *note, struct err *e)
{
	const char *end = n <= NOTE_BYTES_MAX ? find_end(p, n) : NULL, *line, *stop;

	note->n = 0;
	if (n > NOTE_BYTES_MAX)
		return err_set(e, 0, "a note of more than %d bytes", NOTE_BYTES_MAX);
	if (!end)
		return err_set(e, 0, "no signed note: it has no empty line before signatures");
	note->text = p;
	note->text_n = (size_t)(end - p);
	if (!is_text(note->text, note->text_n))
		return err_set(e, 0, "no signed note: its text is not whole lines of UTF-8");
	for (line = end + 1; line < p + n; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(p + n - line));
		if (!stop || note->n == NOTE_SIGNATURES || !parse_signature(line, (size_t)(stop - line), &note->signature[note->n]))
			return err_set(e, 0, "no signed note: signature line %u is none", note->n + 1);
		note->n++;
	}
	return note->n ? 0 : err_set(e, 0, "no signed note: it has no signature");
}

size_t
note_length(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\n\n" DASH, 2 + DASH_N), *line, *stop;

	if (!end)
		return 0;
	for (line = end + 2; (size_t)(p + n - line) >= DASH_N && !memcmp(line, DASH, DASH_N); line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(p + n - line));
		if (!stop)
			return 0; /* cut, or being written */
	}
	return (size_t)(line - p);
}

enum note_verdict
note_verify(const struct note *note, const struct note_key *k)
{
	enum note_verdict verdict = NOTE_UNSIGNED;
	uint8_t raw[NOTE_SIGNATURE_MAX];

	for (unsigned i = 0; i < note->n; i++) {
		const struct note_signature *s = &note->signature[i];
		ssize_t n;

		if (s->name_n != strlen(k->name) || memcmp(s->name, k->name, s->name_n) != 0 || memcmp(s->id, k->id, NOTE_ID) != 0)
			continue;
		n = text_base64_decode(s->base64, s->base64_n, raw);
		if (n != NOTE_ID + NOTE_ED25519 || !note_key_verifies(k, note->text, note->text_n, raw + NOTE_ID))
			return NOTE_FORGED;
		verdict = NOTE_SIGNED;
	}
	return verdict;
}
