/*
 * component_rules: who may connect as a component, and what each may. From the settings (components.domains: everything but privileges)
 * and from the database (`chancery component`, store/component_store.h). Rules are immutable and counted; a change gives new ones.
 */
#ifndef CORE_COMPONENT_RULES_H
#define CORE_COMPONENT_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct config;

/* Of stanzas, bits. Kept in the database: numbers do not change. */
enum component_kind { COMPONENT_MESSAGES = 1, COMPONENT_PRESENCE = 2, COMPONENT_IQ = 4, COMPONENT_ALL = 7 };

#define COMPONENT_SECRET_MIN 16 /* bytes */
#define COMPONENT_SECRET_MAX 255
#define COMPONENT_NAME_MAX 64

/* Of rosters and of requests. */
enum component_access { COMPONENT_GET = 1, COMPONENT_SET = 2 };

struct component_rules {
	atomic_uint refs;
	bool stored;            /* in the database; false: in the settings, where it has no name but its domain */
	bool enabled;
	bool keep;              /* messages for it wait while it is down */
	unsigned kinds;
	uint64_t per_second;    /* 0: limits.component_stanzas_per_second, for what has no body */
	/* Privileges (XEP-0356) */
	unsigned roster;        /* enum component_access, together */
	bool message;           /* in the name of users */
	bool presence;          /* of all accounts, and of nobody else */
	struct component_iq {
		const char *ns;
		unsigned access;
	} *iq;
	size_t niq;
	char *grants;           /* all of them as the database gives them, to compare */
	char *words;            /* what iq points into */
	char name[COMPONENT_NAME_MAX + 1];
	char secret[COMPONENT_SECRET_MAX + 1];
};

/* A new reference; NULL: no component has this domain (prepared). Any thread. */
struct component_rules *component_rules_get(const char *domain);
void component_rules_unref(struct component_rules *r);

/* Which of enum component_access it has for requests of this namespace. */
unsigned component_rules_iq(const struct component_rules *r, const char *ns);

/* Reads components.domains and the files it names; on failure the old ones stay. */
int component_rules_read_settings(const struct config *c, struct err *e) MUST_CHECK;
/* Reads the database; on failure the old ones stay. */
int component_rules_read_stored(const char *conninfo, struct err *e) MUST_CHECK;
bool component_rules_any(void);
void component_rules_forget(void);

#endif
