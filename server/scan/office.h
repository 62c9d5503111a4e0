/*
 * office: OpenDocument, and documents of the older office format (CFB, also around newer ones with a password) that nobody can read without a password.
 * libclamav says nothing of them.
 */
#ifndef SCAN_OFFICE_H
#define SCAN_OFFICE_H

#include <stdbool.h>

#include "scan/source.h"

/* By the first bytes. */
bool office_is_compound(const unsigned char *head, size_t n);
int office_is_encrypted(const struct source *s); /* 1, 0, or -1: it cannot be read */
/* An OpenDocument text, table or picture with a password ([ODF 1.3] part 2, 3.4 and 3.8.5): is this member of a ZIP, by its name, what
 * says so? 1, 0, or -1: it cannot be read. */
int office_member_is_encrypted(const char *name, const struct source *s);

#endif
