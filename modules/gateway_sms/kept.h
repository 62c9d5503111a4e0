/*
 * kept: a part of a long message as it is kept at chanceryd: a key and a text. Pure.
 *
 * Senders choose what they are called: a name with a '/' in it must not be read back as another sender, so its length stands in front of it.
 */
#ifndef GATEWAY_SMS_KEPT_H
#define GATEWAY_SMS_KEPT_H

#include "gateway_sms/collect.h"

#define KEPT_PREFIX "part/"
#define KEPT_KEY 256

void kept_key(char out[KEPT_KEY], const struct collect_key *key, unsigned number);
/* Adds the text; `at`: when the part came, in ms. */
void kept_text(struct buf *out, const struct coding_piece *piece, int64_t at);
/* Both, backwards. 0: the caller frees piece->units; -1: that is none of ours, and nothing is to be freed. */
int kept_read(const char *key, const char *text, struct collect_key *out, struct coding_piece *piece, int64_t *at);

#endif
