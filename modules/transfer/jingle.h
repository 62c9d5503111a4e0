/*
 * jingle: Jingle sessions (XEP-0166) about files (XEP-0234): what is offered in them is noted, ways that bypass the server are taken out
 * (XEP-0260) or refused, and sessions do not end while their file is still on its way. Calls are left alone.
 */
#ifndef TRANSFER_JINGLE_H
#define TRANSFER_JINGLE_H

#include "stream.h"

/* A <jingle/> of either side passes. */
enum hook_verdict jingle_said(struct hook *h, struct transfers *t, enum side from, const struct elem *jingle);
/* Is it an offer of something else than a call? */
bool jingle_is_about_files(const struct elem *jingle);
/* The file that goes over the SOCKS5 bytestream of this name between the two; NULL: none that was offered. */
const struct announced *jingle_announced(const struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid);
/* The file of this stream has been given: what ends its session may go on. */
void jingle_given(struct hook *h, struct stream *s);
/* It will not be: the session ends for both, with these words. */
void jingle_failed(struct hook *h, struct stream *s, const char *text);
/* Sessions of ours have ended. */
void jingle_gone(struct hook *h, struct transfers *t);
void jingle_forget_old(struct transfers *t, int64_t before_ms);
void jingle_forget_all(struct transfers *t);

#endif
