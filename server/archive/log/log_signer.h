/*
 * log_signer: the log's private key in its file: text of C2SP signed-note, readable by its owner only.
 */
#ifndef ARCHIVE_LOG_SIGNER_H
#define ARCHIVE_LOG_SIGNER_H

#include "base/err.h"
#include "proof/note.h"

/* NULL and `e`, which names the file and never holds any of the secret. */
struct note_signer *log_signer_load(const char *file, struct err *e) MUST_CHECK;
/* A new file, durable when this returns; what is there already is refused. */
int log_signer_save(const char *file, const struct note_signer *s, struct err *e) MUST_CHECK;
/* `from` takes the place of `to`, durably. */
int log_signer_move(const char *from, const char *to, struct err *e) MUST_CHECK;

#endif
