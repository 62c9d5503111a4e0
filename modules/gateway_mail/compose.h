/*
 * compose: a message from here as a mail (RFC 5322, MIME), by GMime.
 *
 * Whatever people write stays where it belongs: ends of lines and other controls do not reach a head, the text is quoted-printable. The same message gives
 * the same mail, so that a mail system that gets it twice can see that it is one. One thread.
 */
#ifndef GATEWAY_MAIL_COMPOSE_H
#define GATEWAY_MAIL_COMPOSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "thread.h"

struct compose {
	const char *from, *from_name;       /* clean addresses; from_name "": none */
	const char *reply_to;               /* where answers are to go */
	const char *to;
	const char *subject;
	const char *id;                     /* without brackets */
	const struct thread *thread;        /* what it answers; may be empty */
	int64_t at_us;
	const char *domain;                 /* ours: tells us a mail that comes back */
	const char *text;                   /* UTF-8 */
	const char *file_name, *file_type;  /* of a file that goes with it; type NULL: not known */
	const void *file;                   /* NULL: none */
	size_t file_bytes;
};

/* Adds the mail, its lines ended by CR LF. */
void compose_mail(const struct compose *c, struct buf *out);

#endif
