/*
 * rar: the blocks of a RAR archive (4 and 5), one behind another, without unpacking anything: what libarchive passes over is not clean.
 */
#ifndef SCAN_RAR_H
#define SCAN_RAR_H

#include "scan/finding.h"
#include "scan/source.h"

/* 0, or -1 with why. `most`: how many blocks there may be. *end: where it ends. */
int rar_check(const struct source *s, unsigned most, uint64_t *end, struct finding *f);

#endif
