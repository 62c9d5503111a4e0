/*
 * vault: files that were found clean, one copy per content, by their hash; and apart from them the quarantine.
 *
 *     files.dir/incoming/              spools (unnamed)
 *     files.dir/content/AB/CDEF…       SHA-256 in hex; read only
 *     files.dir/quarantine/AB/CDEF…    encrypted: AES-256-GCM in pieces of 64 KiB, each bound to its place and to whether it is the last,
 *                                      under a key per file, itself under the key in files.quarantine_key
 *
 * A file is there whole and on disk (fsync of file and folder) before vault_keep returns, or not there at all. All functions wait for
 * disks: on a worker's thread or the web's, never on a home. Any number of threads at once.
 */
#ifndef CORE_VAULT_H
#define CORE_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/file/spool.h"

/* Makes the folders, checks that they are ours and of mode 0700, makes the quarantine's key when there is none (mode 0600). 0 or -1. */
int vault_start(struct err *e) MUST_CHECK;
/* Keeps the spool's content. 0 also when it was there already. */
int vault_keep(struct spool *s, struct err *e) MUST_CHECK;
/* Read only; -1: not there (ENOENT), or an error. Checks nothing but the size. */
int vault_open(const uint8_t sha256[SHA256_SIZE], uint64_t *size, struct err *e) MUST_CHECK;
/* 0 also when it was not there. */
int vault_remove(const uint8_t sha256[SHA256_SIZE], struct err *e) MUST_CHECK;

/* Into the quarantine: from a spool, or what vault_keep once kept, which then is in the quarantine only. */
int quarantine_put(struct spool *s, struct err *e) MUST_CHECK;
int quarantine_withdraw(const uint8_t sha256[SHA256_SIZE], struct err *e) MUST_CHECK;
/* Out of it, back among those that are kept; the content is checked against its hash. */
int quarantine_release(const uint8_t sha256[SHA256_SIZE], struct err *e) MUST_CHECK;
int quarantine_remove(const uint8_t sha256[SHA256_SIZE], struct err *e) MUST_CHECK;

/* Of those whose hash begins with `first` and that nobody has touched since `before_s` (vault_keep, quarantine_put touch what is there
 * already): at most `max`. */
size_t vault_list(bool quarantine, uint8_t first, int64_t before_s, uint8_t (*out)[SHA256_SIZE], size_t max, struct err *e) MUST_CHECK;
/* Removes one that nobody refers to, unless it has been touched since then. False: it is there. */
bool vault_sweep(bool quarantine, const uint8_t sha256[SHA256_SIZE], int64_t before_s);

#endif
