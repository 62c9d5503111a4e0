/*
 * gateway_rules: which domains are those of gateways to public networks, and who may do what through each (`chancery gateway`,
 * store/gateway_store.h). As administrators have it in the database: a snapshot, replaced as a whole. A gateway is a component, too
 * (component_rules.h); here is what makes it one of ours.
 */
#ifndef CORE_GATEWAY_RULES_H
#define CORE_GATEWAY_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GATEWAY_EVERYONE "everyone"
#define GATEWAY_KIND_MAX 16

/* What people may through a network. Bits; kept in the database: numbers do not change. */
enum gateway_right {
	GATEWAY_SEND = 1,         /* messages to it */
	GATEWAY_RECEIVE = 2,      /* messages from it */
	GATEWAY_SEND_FILE = 4,
	GATEWAY_RECEIVE_FILE = 8,
	GATEWAY_JOIN = 16,        /* its rooms */
	GATEWAY_OWN_ACCOUNT = 32, /* register an account of their own at the network */
	GATEWAY_RIGHTS = 63,
	GATEWAY_USUAL = GATEWAY_SEND | GATEWAY_RECEIVE | GATEWAY_JOIN,
};

struct gateway_rule {
	const char *group;   /* of the organisation, or GATEWAY_EVERYONE */
	bool allowed;        /* false: nobody of the group, whatever other rules say */
	unsigned rights;
	uint64_t per_minute; /* messages to the network; 0: limits.gateway_messages_per_minute */
};

struct gateway {
	atomic_uint refs;
	bool on;
	const char *name, *kind, *domain, *settings, *secret;
	struct gateway_rule *rule;
	size_t nrules;
	char *words;         /* what they point into */
};

/* A new reference; NULL: no gateway has this domain (prepared). Any thread. */
struct gateway *gateway_get(const char *domain);
void gateway_unref(struct gateway *g);
/* Is this domain a gateway's? Any thread. */
bool gateway_is(const char *domain);
/* Is there any? Any thread; costs nothing. */
bool gateway_any(void);
/* Of all of them, in the order of their names; borrowed. fn may take a reference, and calls nothing else of these. Any thread. */
void gateway_each(void (*fn)(void *arg, struct gateway *g), void *arg);
struct gateway *gateway_ref(struct gateway *g);

/* What somebody in these groups (a line each) may, whether it is on or not; 0: nothing. *per_minute (may be NULL): of the rules that
 * allow, the highest; 0: none says. */
unsigned gateway_rights(const struct gateway *g, const char *groups, uint64_t *per_minute);
/* Is this right everybody's, whatever their groups? */
bool gateway_gives_everyone(const struct gateway *g, unsigned right);
/* "send", "receive-file", …; NULL behind the last. */
const char *gateway_right_name(unsigned n);
/* 0: there is none of that name. */
unsigned gateway_right_find(const char *name);

/* Reads the database; on failure the old ones stay. Not on a reactor. */
int gateway_rules_read(const char *conninfo, struct err *e) MUST_CHECK;
void gateway_rules_forget(void);

#endif
