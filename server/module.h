/*
 * module: what a module is made of, and what it may ask of the server.
 *
 * A module is one folder in modules/ and one line in core/module/modules.c. It includes this, hook.h, and headers of xmpp/ and
 * base/; never core/ or net/. What attach registers, the core undoes. Modules keep no mutable file-level state.
 */
#ifndef MODULE_H
#define MODULE_H

#include <stdint.h>

#include "hook.h"

struct module;

typedef enum hook_verdict (*hook_fn)(struct hook *h);

struct module_def {
	const char *name;
	const char *about; /* the XEPs: shown by `chancery status` */
	int (*attach)(struct module *m);
};

enum module_iq { MODULE_IQ_GET, MODULE_IQ_SET };
enum module_target { MODULE_SERVER = 1, MODULE_ACCOUNT = 2 };

/* A feature announced by disco#info of the server (MODULE_SERVER), of accounts, or both. `var` is static. */
void module_offers(struct module *m, const char *var, unsigned targets);
/* The same while a setting of modules.* is on. */
void module_offers_when(struct module *m, const char *var, unsigned targets, const char *setting);
int module_on(struct module *m, enum hook_stage stage, hook_fn fn);
/* An IQ handler; `ns` from ns.h. HOOK_HANDLED with hook_reply, or HOOK_REJECT. */
int module_on_iq(struct module *m, enum module_iq type, const char *ns, const char *name, unsigned targets, hook_fn fn);

/* An on-off setting by name ("version", "version_os" of modules.*), as it is now: a reload may change it. */
bool module_setting(const struct module *m, const char *name);
/* When the server started, by clock_mono_us. */
int64_t module_started_us(void);

/* Of the account that h is about, on its home (HOOK_IQ with MODULE_ACCOUNT, RECV_*). Of an account that does not exist
 * everybody is a stranger: who treats strangers alike does not tell them which accounts there are. */
enum module_relation { MODULE_STRANGER, MODULE_SUBSCRIBER, MODULE_SELF };
/* May h->from see the account's presence? */
enum module_relation module_relation(const struct hook *h);
bool module_account_available(const struct hook *h);
int64_t module_account_last_seen_us(const struct hook *h); /* wall clock; 0: never was available */
const char *module_account_last_status(const struct hook *h); /* NULL when none */

#endif
