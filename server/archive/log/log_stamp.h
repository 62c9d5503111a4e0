/*
 * log_stamp: asks a time stamping authority (RFC 3161) to say when a checkpoint was there.
 */
#ifndef ARCHIVE_LOG_STAMP_H
#define ARCHIVE_LOG_STAMP_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"

/* A stamp over the SHA-256 of the note: the token (a CMS SignedData, DER) is appended to `token`. It was granted, and is over this note and our nonce; whether
 * its signer is to be believed is for who verifies it (openssl ts -verify). Waits up to ten seconds, and not when *stop
 * becomes true. */
int log_stamp_ask(const char *url, const char *note, const atomic_bool *stop, struct buf *token, struct err *e) MUST_CHECK;

#endif
