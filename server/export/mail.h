/*
 * mail: a mail message (RFC 5322, MIME) in the making, for the formats that are mail: EML, RSMF. Written by GMime, from files: nothing large
 * is in memory. The same calls make the same bytes: there is no clock in it and nothing by chance.
 *
 * Whatever is said here may come from strangers: ends of lines and other controls do not reach a header (conversation_line). One thread.
 */
#ifndef EXPORT_MAIL_H
#define EXPORT_MAIL_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "export/format.h"

#define MAIL_LINE 4000 /* bytes of a header's value; more is cut. Words of more than 900 bytes make lines that are too long: cut them before */

struct mail;

/* In front of everything; more than once is fine. It is for the life of the process: GMime cannot be set up again once it was shut down. */
void mail_setup(void);

/* `key` is what its boundary is made from: nobody who wrote what is in it may have known that. Its texts stay the caller's. */
struct mail *mail_new(const void *key, size_t n);
void mail_free(struct mail *m);

/* An address of XMPP as one of mail, in `a`, of at most 320 bytes: what mail cannot say is percent-encoded, a domain's own is "%@domain", what is too
 * long is a hash of it. */
const char *mail_address(struct arena *a, const char *bare);
void mail_set_from(struct mail *m, const char *name, const char *address);
void mail_add_to(struct mail *m, const char *name, const char *address);
void mail_set_date(struct mail *m, int64_t us);
/* "LEFT@DOMAIN", without brackets. */
void mail_set_id(struct mail *m, const char *id);
/* Any other header, on one line, more than once when it is called so. */
void mail_add_header(struct mail *m, const char *name, const char *value);

/* The text, UTF-8: a scratch file that is now the mail's, which may be written to until mail_write. To be called before anything is attached. */
void mail_set_text(struct mail *m, FILE *text);
/* A file: from a scratch file, as above, or a descriptor, which are now the mail's. What is no media type, or a part of mail itself, is application/octet-stream. */
void mail_attach_scratch(struct mail *m, const char *name, const char *type, FILE *content);
void mail_attach_fd(struct mail *m, const char *name, const char *type, int fd);

/* Writes it into the bundle as `path`. */
int mail_write(struct mail *m, struct export_context *x, const char *path, struct err *e) MUST_CHECK;

#endif
