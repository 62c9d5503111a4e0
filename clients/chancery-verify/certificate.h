/*
 * certificate: a certificate of erasure (server/archive/ERASURE.md): is it one, has the log's key signed it, and what does it say?
 */
#ifndef VERIFY_CERTIFICATE_H
#define VERIFY_CERTIFICATE_H

#include <stdbool.h>

#include "proof/note.h"

/* Does the file begin as one? */
bool certificate_is(const char *file);
/* Says so on standard output; `key` NULL: nobody can tell who signed it. The exit code: 0 it is signed by the key, 1 it is not, 2 unreadable. */
int certificate_verify(const char *file, const struct note_key *key, bool json);

#endif
