/*
 * err: why something failed. Texts from libraries often end in a newline or span several lines;
 * here they become one line, so that a caller may print or log them as they are.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts nothing inside a UTF-8 sequence, and leaves one line. */
static void
err_tidy(struct err *e)
{
	size_t n = strlen(e->text);

	if (n == sizeof(e->text) - 1) {
		while (n > 0 && ((unsigned char)e->text[n - 1] & 0xC0) == 0x80)
			n--;
		if (n > 0 && (unsigned char)e->text[n - 1] >= 0xC0)
			n--;
		/* A sequence that ended exactly here goes too: not worth the code to keep it. */
	}
	while (n > 0 && (unsigned char)e->text[n - 1] <= ' ')
		n--;
	e->text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)e->text[i] < ' ' || e->text[i] == 0x7F)
			e->text[i] = ' ';
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list ap;

	/* By way of a copy: an argument may be e->text itself. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(e->text, text, strlen(text) + 1);
	e->code = code;
	err_tidy(e);
	return -1;
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	char text[2 * sizeof(e->text) + 2]; /* room for both and the colon */
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, ": %s", e->text);
	text[sizeof(e->text) - 1] = '\0';
	memcpy(e->text, text, sizeof(e->text));
	err_tidy(e);
	return -1;
}
