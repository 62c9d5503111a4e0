/*
 * note_key: the keys of notes, for note.c.
 */
#ifndef PROOF_NOTE_KEY_H
#define PROOF_NOTE_KEY_H

#include "proof/note.h"

#define NOTE_ED25519 64 /* bytes of a signature */

void note_signer_sign(const struct note_signer *s, const char *text, size_t n, uint8_t out[NOTE_ED25519]);
bool note_key_verifies(const struct note_key *k, const char *text, size_t n, const uint8_t signature[NOTE_ED25519]);

#endif
