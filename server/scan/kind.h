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
/* The first 7z or RAR archive within the first megabytes behind the beginning. NULL, or *at. */
const struct kind *kind_embedded(const struct source *s, uint64_t *at);

#endif
