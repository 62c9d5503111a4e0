/*
 * certificate: a certificate of ours with its key, by which an IRC network knows an account (SASL EXTERNAL; services call it CERT): from the administrator's files,
 * or made here and kept as PEM in a person's credential.
 */
#ifndef GATEWAY_IRC_CERTIFICATE_H
#define GATEWAY_IRC_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/err.h"

struct irc_certificate;

/* NULL and the reason: one of the two cannot be read, they do not belong together, or it is not its time. `key` NULL: it is in the same file. */
struct irc_certificate *irc_certificate_load(const char *file, const char *key, struct err *e) MUST_CHECK;
/* The same from PEM. */
struct irc_certificate *irc_certificate_parse(const char *cert, const char *key, struct err *e) MUST_CHECK;
void irc_certificate_free(struct irc_certificate *c);

/* A new key, and a certificate for it that says `name` and is good for ten years, as PEM. The key is a secret: wipe it. */
void irc_certificate_make(const char *name, struct buf *cert, struct buf *key);

/* It is shown when the server asks for one. */
void irc_certificate_use(const struct irc_certificate *c, SSL *ssl);
/* What people are told of it: its fingerprints, as services want them, and its end. */
void irc_certificate_words(const struct irc_certificate *c, struct buf *out);

#endif
