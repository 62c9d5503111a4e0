/*
 * gateway_words: what administrators write and read about gateways: settings, rights, rules. JSON on one side, texts and numbers of the database on the other.
 */
#ifndef ADMIN_GATEWAY_WORDS_H
#define ADMIN_GATEWAY_WORDS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* In place of what must not be seen. */
#define GATEWAY_HIDDEN "***"

/* Takes `v` and gives it back with what its names say are secrets (password, secret, token) hidden. */
json_t *gateway_words_hide(json_t *v);
/* The settings as they are kept, to be freed with request_text_free: checked; what is hidden in them is as it was in `old` (may be NULL); with the
 * upload service of the gateway's host and what addresses of files there begin with, where they are not given. NULL and `e`. */
char *gateway_words_settings(const json_t *given, const json_t *old, const char *domain, struct err *e);

json_t *gateway_words_rights(unsigned rights);
/* `list` NULL: the usual ones. 0 or -1. */
int gateway_words_read_rights(const json_t *list, int64_t *rights, struct err *e) MUST_CHECK;
/* Of lines as store/gateway_store.h has them. */
json_t *gateway_words_rules(const char *lines);

#endif
