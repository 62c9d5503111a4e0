/*
 * zip: is this ZIP one and the same archive for everyone who reads it?
 *
 * There are three descriptions of each member (the central directory, its local header, sometimes a descriptor behind it), and programs
 * believe different ones. An archive where they disagree, where members overlap, or where one lies in a gap that no directory
 * names, can show the scanner something else than its recipient: it is not scanned, it is refused. (docx, xlsx, jar, apk,
 * epub, odt are ZIPs.) Sizes, ratio and contents are walk.c's.
 */
#ifndef SCAN_ZIP_H
#define SCAN_ZIP_H

#include <stdbool.h>

#include "scan/finding.h"
#include "scan/source.h"

/* What must come out of it when it is unpacked. */
struct zip_promise {
	uint64_t members;
	uint64_t bytes; /* of all members but links, whose target libarchive gives as a name */
};

/* 0, or -1 with why. `most`: how many members there may be. `led`: something else may lie before the first (a self-extracting archive). */
int zip_check(const struct source *s, unsigned most, bool led, struct zip_promise *p, struct finding *f);
/* Does a ZIP end here, whatever the source begins with, and whatever little follows it? 1 (*start, *end: where it lies), 0, or -1: the file
 * cannot be read. */
int zip_at_tail(const struct source *s, uint64_t *start, uint64_t *end);

#endif
