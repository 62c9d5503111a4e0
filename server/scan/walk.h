/*
 * walk: every member of an archive, and of the archives in it, unpacked by libarchive, measured, and scanned by itself.
 *
 * This comes before libclamav's own look at the whole: what is too large, too deep, too many, encrypted or not in order is found
 * here, where libclamav would call it clean. What it finds archived in files of other kinds (a ZIP attached to a mail, put into an
 * old document) is walked in the same way.
 */
#ifndef SCAN_WALK_H
#define SCAN_WALK_H

#include <stdbool.h>

#include "scan/engine.h"
#include "scan/finding.h"
#include "scan/options.h"
#include "scan/source.h"

struct walk;

/* `tmp`: a folder of its own, by descriptor. Files in it have no name as soon as they are open. */
struct walk *walk_new(const struct scan_options *o, struct engine *g, int tmp);
/* 0: nothing was found; -1 with what was. *whole: the engine has seen the file itself, too (it is no archive). `due_ms`: by clock_mono_ms. */
int walk_file(struct walk *w, const struct source *s, int64_t due_ms, bool *whole, struct finding *f);
void walk_free(struct walk *w);

#endif
