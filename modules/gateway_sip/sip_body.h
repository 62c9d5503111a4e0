/*
 * sip_body: what a MESSAGE carries, read and written: text (RFC 3428), that somebody is typing (RFC 3994), what became of a message (RFC 5438), each as it is or
 * in a CPIM wrapper (RFC 3862), which is taken off. No input or output here, and no SIP: a content type and bytes.
 */
#ifndef GATEWAY_SIP_SIP_BODY_H
#define GATEWAY_SIP_SIP_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum sip_body_kind {
	SIP_BODY_TEXT,
	SIP_BODY_TYPING,
	SIP_BODY_REPORT,      /* what became of a message */
	SIP_BODY_UNSUPPORTED, /* a type, or a character set, that we do not take: 415 */
	SIP_BODY_BAD,         /* not what its type says: 400; why */
};

enum sip_report { SIP_REPORT_DELIVERED, SIP_REPORT_DISPLAYED, SIP_REPORT_FAILED, SIP_REPORT_OTHER };

#define SIP_BODY_ID_SIZE 128

struct sip_body {
	enum sip_body_kind kind;
	struct buf text;           /* TEXT: UTF-8 */
	char id[SIP_BODY_ID_SIZE]; /* TEXT: its id in the CPIM wrapper, or ""; REPORT: the message's that it is about */
	bool wants_report;         /* TEXT: its sender asks to be told of its delivery */
	bool typing;               /* TYPING: yes, or not any more */
	enum sip_report report;
	const char *why;
};

/* type: the header's value, parameters and all; NULL is what text/plain in UTF-8 is. */
void sip_body_read(struct sip_body *b, const char *type, const char *p, size_t n);
void sip_body_fini(struct sip_body *b);

/* The types of what these write. */
#define SIP_BODY_TYPE_TEXT "text/plain;charset=UTF-8"
#define SIP_BODY_TYPE_CPIM "message/cpim"
#define SIP_BODY_TYPE_TYPING "application/im-iscomposing+xml"
#define SIP_BODY_TYPE_REPORT "message/imdn+xml"
#define SIP_BODY_ACCEPTED "text/plain, message/cpim, application/im-iscomposing+xml, message/imdn+xml"

/* Text in a wrapper that asks for a report of its delivery. from and to are URIs; at: RFC 3339. */
void sip_body_write_cpim(struct buf *out, const char *from, const char *to, const char *id, const char *at, const char *text);
void sip_body_write_typing(struct buf *out, bool typing);
/* Of a message of theirs: it has been delivered, or will not be. In its wrapper, as RFC 5438 §7.2.1.1 has it. */
void sip_body_write_report(struct buf *out, const char *from, const char *to, const char *own_id, const char *id, const char *at, bool delivered);

#endif
