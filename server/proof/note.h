/*
 * note: signed notes (C2SP signed-note), with Ed25519 through OpenSSL.
 *
 * A note is a text of whole lines, an empty line, and signature lines:
 *
 *     — NAME BASE64(key id (4 bytes) || signature)
 *
 * A key is known by its name and its id, the first bytes of SHA-256(name || 0x0a || 0x01 || public key). Its text forms are those of the
 * specification: NAME+ID+BASE64(0x01 || public key) to verify with, PRIVATE+KEY+NAME+ID+BASE64(0x01 || seed) to sign with.
 *
 * Signatures of others (witnesses that cosign, whatever their algorithm) are kept and not judged. All of it is strict: what is
 * not exactly in the form is refused. Nothing here has state of its own; a signer may be used by one thread at a time.
 */
#ifndef PROOF_NOTE_H
#define PROOF_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define NOTE_NAME_MAX 255
#define NOTE_ID 4
#define NOTE_PUBLIC 32
#define NOTE_VKEY_MAX (NOTE_NAME_MAX + 1 + 8 + 1 + 44 + 1) /* with the NUL */
#define NOTE_BYTES_MAX 65536
#define NOTE_SIGNATURES 32   /* of one note, at most */
#define NOTE_SIGNATURE_MAX 8192 /* base64 of one: algorithms to come are long */

/* What verifies. */
struct note_key {
	char name[NOTE_NAME_MAX + 1];
	uint8_t id[NOTE_ID];
	uint8_t public[NOTE_PUBLIC];
};

/* True: may name a key: UTF-8, 1 to 255 bytes, without spaces of any kind, control characters and '+'. */
bool note_is_name(const char *s, size_t n);
int note_key_parse(const char *vkey, struct note_key *k, struct err *e) MUST_CHECK;
void note_key_text(const struct note_key *k, char out[NOTE_VKEY_MAX]);
bool note_key_equal(const struct note_key *a, const struct note_key *b);

/* What signs; it owns the private key. */
struct note_signer;
/* A new key. NULL: the name is none. */
struct note_signer *note_signer_new(const char *name, struct err *e);
/* From its text, which may end in one newline. NULL with why; never with any of the secret. */
struct note_signer *note_signer_parse(const char *skey, size_t n, struct err *e);
/* Appends the text form with a newline: a secret, which the caller wipes. */
void note_signer_text(const struct note_signer *s, struct buf *out);
const struct note_key *note_signer_key(const struct note_signer *s);
/* NULL is fine. */
void note_signer_free(struct note_signer *s);

/* Appends the note of this text with one signature to `out`. -1: it cannot be a note's text. */
int note_sign(const struct note_signer *s, const char *text, size_t n, struct buf *out, struct err *e) MUST_CHECK;
/* Appends another signature to the note in `note`. -1: there is none. */
int note_sign_too(const struct note_signer *s, struct buf *note, struct err *e) MUST_CHECK;

/* A parsed note; all pointers are into what it was parsed from. */
struct note {
	const char *text;
	size_t text_n; /* with its last newline, without the empty line */
	unsigned n;
	struct note_signature {
		const char *name, *base64;
		size_t name_n, base64_n;
		uint8_t id[NOTE_ID];
	} signature[NOTE_SIGNATURES];
};

/* Exactly one note, no byte more. */
int note_parse(const char *p, size_t n, struct note *note, struct err *e) MUST_CHECK;
/* How many bytes the note at the beginning of a file of notes has, one behind the other; 0: there is no whole one. */
size_t note_length(const char *p, size_t n);

enum note_verdict {
	NOTE_UNSIGNED, /* not by this key */
	NOTE_FORGED,   /* a signature in this key's name and id is none */
	NOTE_SIGNED,
};

enum note_verdict note_verify(const struct note *note, const struct note_key *k);

#endif
