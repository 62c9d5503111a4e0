/*
 * vault_priv: the folders of the vault, for spool.c, vault.c and quarantine.c.
 */
#ifndef CORE_VAULT_PRIV_H
#define CORE_VAULT_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"

enum vault_folder { VAULT_INCOMING, VAULT_CONTENT, VAULT_QUARANTINE, VAULT_FOLDERS };

/* Its descriptor, open as long as the process runs; -1 before vault_start. */
int vault_folder(enum vault_folder f);
/* An unnamed file there, for reading and writing. -1. */
int vault_unnamed(enum vault_folder f, struct err *e) MUST_CHECK;
/* Gives an unnamed file its name there: read only, and on disk with its folder when this returns. 0 also when there is one of that name. */
int vault_link(enum vault_folder f, int fd, const uint8_t sha256[SHA256_SIZE], struct err *e) MUST_CHECK;
/* Is there one? It is made sure that it stays (its folder is written to disk). */
bool vault_has(enum vault_folder f, const uint8_t sha256[SHA256_SIZE]);
/* Read only; -1 with e->code, ENOENT when there is none. */
int vault_open_in(enum vault_folder f, const uint8_t sha256[SHA256_SIZE], uint64_t *size, struct err *e) MUST_CHECK;
/* 0 also when there was none. */
int vault_unlink(enum vault_folder f, const uint8_t sha256[SHA256_SIZE], struct err *e) MUST_CHECK;
/* Whole pieces, whatever signals come. */
int vault_write(int fd, const void *p, size_t n, struct err *e) MUST_CHECK;
int vault_read(int fd, void *p, size_t n, uint64_t at, struct err *e) MUST_CHECK;

/* The key of the quarantine: from its file, or a new one. */
int quarantine_start(const char *dir, const char *file, struct err *e) MUST_CHECK;

#endif
