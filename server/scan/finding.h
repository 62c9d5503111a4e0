/*
 * finding: what is known of a file: a verdict, why, and one line of plain words.
 */
#ifndef SCAN_FINDING_H
#define SCAN_FINDING_H

#include "base/scan_wire.h"

struct finding {
	enum scan_verdict verdict;
	enum scan_why why;
	char text[SCAN_TEXT_MAX];
};

void finding_clear(struct finding *f); /* CLEAN */
/* All return -1, so that `return finding_limit(...)` reads well. Bytes that are not printable UTF-8 become '?'. */
int finding_infected(struct finding *f, const char *name);
int finding_limit(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int finding_damaged(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int finding_encrypted(struct finding *f, const char *what);
int finding_error(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Cut to `size` and made printable: for names and words that others chose. */
void finding_copy(char *to, size_t size, const char *from);

#endif
