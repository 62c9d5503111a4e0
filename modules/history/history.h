/*
 * history: what the files of the module share. history.c: what passes, and who is told what; history_query.c: reading a
 * query; history_result.c: writing its results; history_prefs.c: preferences; history_store.c: SQL.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include "history_store.h"
#include "module.h"
#include "xmpp/mam.h"

/* history_query.c */
struct history_ask {
	struct history_query q; /* first: the worker's */
	struct mam_query m;
};
/* IQ handlers. */
enum hook_verdict history_on_query(struct hook *h);
enum hook_verdict history_on_form(struct hook *h);
enum hook_verdict history_on_metadata(struct hook *h);

/* history_result.c: gives the rows to the session that asked. */
void history_give(struct hook *h, struct session *s, const struct history_ask *ask);

/* history_prefs.c */
enum hook_verdict history_on_get_prefs(struct hook *h);
enum hook_verdict history_on_set_prefs(struct hook *h);
extern const struct module_account history_account;
/* Do the account's preferences, as they are now, want what goes to or comes from `who`? */
bool history_wanted(const struct hook *h, const struct jid *who);

/* HOOK_REJECT unless the account asks about its own archive. */
enum hook_verdict history_only_self(struct hook *h);

#endif
