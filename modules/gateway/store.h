/*
 * store: what chanceryd keeps for a gateway (README.md, "Between chanceryd and a gateway"): settings, registrations, credentials, small values, policy.
 */
#ifndef GATEWAY_STORE_H
#define GATEWAY_STORE_H

#include "gateway/network.h"
#include "xmpp/stanza.h"

void store_init(struct gateway *g);
void store_free(struct gateway *g);
void store_tick(struct gateway *g);
/* The stream is back: what waits goes on. */
void store_stream_up(struct gateway *g);

/* Asked until there is an answer. */
typedef void store_settings_fn(struct gateway *g, const char *json);
void store_ask_settings(struct gateway *g, store_settings_fn *fn);
/* Every registered user is begun (user.h), then what outlived the last program. */
void store_read_users(struct gateway *g);

/* `st`: the stanza that the caller gave, kept meanwhile; may be NULL. `ok`: it is kept. */
typedef void store_done_fn(struct gateway *g, const struct stanza *st, bool ok);
void store_user_set(struct gateway *g, const char *jid, bool account, store_done_fn *fn, const struct stanza *st);
void store_user_remove(struct gateway *g, const char *jid, store_done_fn *fn, const struct stanza *st);
void store_credential_set(struct gateway *g, const char *jid, const json_t *login, store_done_fn *fn, const struct stanza *st);
/* `login` NULL: there is none, it cannot be had now (`again`), or policy does not let the person use it (`barred`: why, for them). Borrowed. */
typedef void store_login_fn(struct gateway *g, const char *jid, const json_t *login, bool again, const char *barred, const struct stanza *st);
void store_credential_get(struct gateway *g, const char *jid, store_login_fn *fn, const struct stanza *st);
enum store_may {
	STORE_MAY,
	STORE_MAY_NOT,
	STORE_MAY_NOBODY,  /* there is no such account */
	STORE_MAY_UNKNOWN, /* there is no answer now: whoever asks for leave has none */
};
/* `text`: words for the person when it is not allowed; NULL: none. `said`: the element of the answer, which has the person's clients; NULL: none. */
typedef void store_may_fn(struct gateway *g, const char *jid, const struct stanza *st, enum store_may may, const char *text, const struct elem *said);
void store_may(struct gateway *g, const char *jid, const char *action, const char *peer, store_may_fn *fn, const struct stanza *st);
/* Few values wait to be kept: one that can be done without may be added. */
bool store_has_room(const struct gateway *g);
/* All sessions have ended, as chanceryd has asked for (policy.h). */
void store_off(struct gateway *g);

#endif
