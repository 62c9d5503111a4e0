/*
 * office: documents of the older office format (CFB, also around newer ones with a password) that nobody can read without a password.
 * libclamav says nothing of them.
 */
#ifndef SCAN_OFFICE_H
#define SCAN_OFFICE_H

#include <stdbool.h>

#include "scan/source.h"

/* By the first bytes. */
bool office_is_compound(const unsigned char *head, size_t n);
bool office_is_encrypted(const struct source *s);

#endif
