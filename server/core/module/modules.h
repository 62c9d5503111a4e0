/*
 * modules: the table of modules, the stages, and the dispatch.
 */
#ifndef CORE_MODULES_H
#define CORE_MODULES_H

#include "hook.h"
#include "module.h"

struct user;

/* Attaches every module of the table; before the reactors start. 0 or -1. */
int modules_start(void);
/* The same for another table, which ends in NULL: for tests. */
int modules_start_table(const struct module_def *const *defs);
/* Part of modules_stop: the commands. */
void command_stop(void);
/* Forgets everything they registered; nothing may be dispatched any more. Handlers of IQs go with iq_forget_all. */
void modules_stop(void);
/* True when somebody listens: lets the hot path skip filling a struct hook. */
bool modules_want(enum hook_stage stage);
/* Runs a stage in table order until one does not say HOOK_NEXT. `u` is the account it is about, or NULL. HOOK_WAIT, where
 * hook.h allows it: the caller starts the chain (core/module/chain). */
enum hook_verdict modules_run(struct hook *h, struct user *u);

/* What the verdict of a stage means to its caller: in HOOK_DISCO_*, NEXT is a complete answer, or a node that nobody knows.
 * `waited`: a listener said so after somebody had waited for it, and those behind it (HOOK_DISCO_*, HOOK_SEND_CHECK) have not been asked yet. */
enum hook_verdict modules_settle(struct hook *h, enum hook_verdict v, bool waited);

const char *modules_name(const struct module *m);
/* Its places in core/module/keep; -1: none. */
int *modules_account_number(struct module *m);
int *modules_session_number(struct module *m);

/* Who `from` is to the account: may they see its presence (RFC 6121 §2.1.2.5: from, both)? `u` may be ABSENT. */
enum module_relation modules_relation(const struct user *u, const struct jid *from);
/* For disco, with the settings in force on this reactor: calls fn for each feature offered to `target`. */
void modules_features(unsigned target, void (*fn)(void *arg, const char *var), void *arg);
/* The same for identities; name may be NULL. */
void modules_identities(unsigned target, void (*fn)(void *arg, const char *category, const char *type, const char *name), void *arg);

#endif
