/*
 * prompt: passwords from people and from scripts. Never from the command line, where others can see them.
 */
#ifndef COMMON_PROMPT_H
#define COMMON_PROMPT_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/* Asks on the terminal, without echo; twice when `again`. 0 or -1: no terminal, or the two differ. */
int prompt_password(const char *question, int again, char *out, size_t size,
		    struct err *e) MUST_CHECK;
/* The first line of a file, without its end. 0 or -1: empty, or longer than fits. */
int prompt_first_line(FILE *f, char *out, size_t size, struct err *e) MUST_CHECK;

#endif
