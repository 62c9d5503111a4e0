/*
 * finding: see finding.h.
 */
#include "scan/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void
make_printable(char *s)
{
	text_mend(s);
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void
finding_copy(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	n = n < size ? n : size - 1;
	memmove(to, from, n);
	to[n] = '\0';
	make_printable(to);
}

static int
set(struct finding *f, enum scan_verdict verdict, enum scan_why why, const char *fmt, va_list ap)
{
	f->verdict = verdict;
	f->why = why;
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	make_printable(f->text);
	return -1;
}

void
finding_clear(struct finding *f)
{
	memset(f, 0, sizeof(*f));
	f->verdict = SCAN_CLEAN;
}

int
finding_infected(struct finding *f, const char *name)
{
	f->verdict = SCAN_INFECTED;
	f->why = SCAN_WHY_NONE;
	finding_copy(f->text, sizeof(f->text), name);
	return -1;
}

int
finding_limit(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, SCAN_UNSCANNABLE, SCAN_WHY_LIMIT, fmt, ap);
	va_end(ap);
	return -1;
}

int
finding_damaged(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, SCAN_UNSCANNABLE, SCAN_WHY_DAMAGED, fmt, ap);
	va_end(ap);
	return -1;
}

int
finding_encrypted(struct finding *f, const char *what)
{
	f->verdict = SCAN_UNSCANNABLE;
	f->why = SCAN_WHY_ENCRYPTED;
	snprintf(f->text, sizeof(f->text), "%s is encrypted", what);
	return -1;
}

int
finding_error(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, SCAN_ERROR, SCAN_WHY_NONE, fmt, ap);
	va_end(ap);
	return -1;
}
