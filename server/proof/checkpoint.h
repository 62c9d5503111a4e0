/*
 * checkpoint: what the log's key signs about the tree (C2SP tlog-checkpoint), and how a key hands over to the next.
 *
 * A checkpoint's text is the origin (the key's name), the size in decimal, the root in base64, each a line, and extension lines that are not
 * empty. Ours has one: "time SECONDS", when it was made, in seconds since 1970.
 *
 * A hand-over is a signed note, too, whose text is
 *
 *     chancery-key-handover/v1
 *     ORIGIN
 *     from OLD-VKEY
 *     to NEW-VKEY
 *     size N             of the newest checkpoint then: the new key signs none that is smaller
 *     time SECONDS
 *     lost               only where the old key could not sign any more
 *
 * signed by both keys; where the old one is lost by the new one alone, and then it proves nothing to who trusts only the old one.
 */
#ifndef PROOF_CHECKPOINT_H
#define PROOF_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proof/merkle.h"
#include "proof/note.h"

struct checkpoint {
	char origin[NOTE_NAME_MAX + 1];
	uint64_t size;
	uint8_t root[MERKLE_HASH];
	int64_t time; /* seconds since 1970; 0: it does not say */
};

/* Appends the text, which note_sign takes. */
void checkpoint_text(const struct checkpoint *c, struct buf *out);
/* The same, signed. -1: the origin is not the signer's name. */
int checkpoint_sign(const struct checkpoint *c, const struct note_signer *s, struct buf *out, struct err *e) MUST_CHECK;
/* The text of a note. Extension lines that are unknown are allowed. */
int checkpoint_parse(const char *text, size_t n, struct checkpoint *c, struct err *e) MUST_CHECK;
/* A signed checkpoint: parsed, its origin the key's name, and signed by the key. */
int checkpoint_open(const char *p, size_t n, const struct note_key *k, struct checkpoint *c, struct err *e) MUST_CHECK;

struct handover {
	struct note_key from, to; /* of the same name, which is the origin */
	uint64_t size;
	int64_t time;
	bool lost;
};

/* Appends the signed note. `from` is NULL when it is lost; h->from tells which key that was all the same. h->to is set from `to`. */
int handover_sign(struct handover *h, const struct note_signer *from, const struct note_signer *to, struct buf *out, struct err *e) MUST_CHECK;
/* Parsed, and signed by both keys (by the new one, where it says that the old one is lost). */
int handover_open(const char *p, size_t n, struct handover *h, struct err *e) MUST_CHECK;

#endif
