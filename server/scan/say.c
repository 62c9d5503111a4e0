/*
 * say: see say.h. One write, so that lines of several processes do not mix.
 */
#include "scan/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
say(const char *fmt, ...)
{
	static const char name[] = "chancery-scan: ";
	char line[512];
	size_t n = sizeof(name) - 1;
	va_list ap;

	memcpy(line, name, n);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	(void)!write(2, line, n);
}
