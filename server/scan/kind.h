/*
 * kind: what kind of archive some bytes are, told by content and never by a name.
 */
#ifndef SCAN_KIND_H
#define SCAN_KIND_H

#include <stdbool.h>

#include "scan/source.h"

struct archive;

struct kind {
	const char *name;                       /* "zip" */
	int (*format)(struct archive *);        /* libarchive's; NULL: nothing here opens it */
	int (*filter)(struct archive *);        /* NULL: none */
	bool engine_opens;                      /* libclamav looks into it by itself */
	bool is_zip;
	size_t at, n;                           /* the magic bytes */
	const char *magic;
	bool (*check)(const unsigned char *head, size_t n); /* more than the magic, or instead of it; NULL: none */
};

/* NULL: no archive, as far as is known. `head` is the beginning of the source: KIND_HEAD bytes, or all of it. */
#define KIND_HEAD 33000
const struct kind *kind_of(const unsigned char *head, size_t n);
/* A program in the format of some system, or a script: what a self-extracting archive begins with. */
bool kind_is_program(const unsigned char *head, size_t n);
/* For archives that begin behind something else. */
const struct kind *kind_zip(void);
bool kind_is_rar(const struct kind *k);
/* Where programs that unpack look for an archive behind something else. */
#define KIND_EMBEDDED_WITHIN ((uint64_t)8 << 20)
/* The first 7z or RAR archive that begins at `from` or later, before `to`: *found (NULL: none), *at. 0, or -1: the file cannot be read. */
int kind_embedded(const struct source *s, uint64_t from, uint64_t to, const struct kind **found, uint64_t *at);
/* Images of discs that nothing here opens, and that are told by what lies elsewhere than at their beginning: their name, or NULL in *name.
 * 0, or -1: the file cannot be read. */
int kind_image(const struct source *s, const char **name);
/* In a tar: do the headers from `at` up to that of a member have one that libarchive passes over with what it holds (Solaris's access list,
 * 'A')? 1, 0, or -1: the file cannot be read. */
int kind_tar_hides(const struct source *s, uint64_t at);
/* Is it a disc image, too, by the marks behind its first 32 KiB? */
bool kind_is_iso(const unsigned char *head, size_t n);

#endif
