/*
 * offer: Stream Initiation (XEP-0095) of files (XEP-0096), and what offers of all kinds have in common.
 *
 * An offer reaches its recipient without what we cannot see: ways that bypass the server, and parts of files.
 */
#ifndef TRANSFER_OFFER_H
#define TRANSFER_OFFER_H

#include "stream.h"

enum hook_verdict si_offered(struct hook *h, struct transfers *t, enum side from, const struct elem *si);
/* The answer to one of them: an altered stanza to go on with, or NULL. */
struct stanza *si_accepted(const struct stanza *answer);

/* Is it allowed, as far as the offer says what it is? False: `text` says why not, and `closed` whether that may be otherwise later. */
bool offer_is_allowed(struct hook *h, enum side from, bool sends, uint64_t size, const char *type, const char **text, bool *closed);
/* The stanza goes on to whom it is for, altered. Takes it. */
enum hook_verdict offer_goes_on(struct hook *h, enum side from, struct stanza *st);
/* Is what passes this home altered here (or at the recipient's)? */
bool offer_is_ours(const struct hook *h, enum side from);
void announced_fini(struct announced *a);
void announced_copy(struct announced *to, const struct announced *a);
/* "md5" and the names of XEP-0300; of several hashes the first that we know counts. */
void announced_hash(struct announced *a, const char *algorithm, const void *hash, size_t n);

#endif
