/*
 * parts: the parts of a mail (MIME): which of them is the text, and which are files. For read.
 */
#ifndef GATEWAY_MAIL_PARTS_H
#define GATEWAY_MAIL_PARTS_H

#include <gmime/gmime.h>

#include "read.h"

/* Fills text (uncut), cut, files and nfiles_left. NULL, or the reply. */
const char *parts_read(struct mail *m, GMimeObject *root, const struct read_limits *limits);
/* What a part carries, decoded, in m's arena; of a mail in a mail, that mail. */
const void *parts_content(struct mail *m, GMimeObject *part, size_t *n);

#endif
