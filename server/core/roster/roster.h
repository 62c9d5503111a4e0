/*
 * roster: items, versions, pushes, and the subscription states (RFC 6121 §2, §3, Appendix A).
 *
 * Belongs to its user, on the user's home. Memory follows the database: a change is written first, with the user
 * held (user_hold), and takes effect when the write has committed; then results, pushes and stanzas go out.
 */
#ifndef CORE_ROSTER_H
#define CORE_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "core/route/packet.h"
#include "core/roster/subscription.h"
#include "store/roster_store.h"

struct lane;
struct session;
struct user;

struct roster_item {
	UT_hash_handle hh;
	struct jid *jid;      /* bare, or with resource as the client stored it */
	char *name;
	char **groups;
	unsigned ngroups;
	unsigned subscription; /* SUB_TO, SUB_FROM */
	bool ask, approved, listed;
	uint64_t version;
	char *request;        /* pending inbound request, as XML */
};

struct roster;

struct roster *roster_new(const struct roster_rows *rows);
void roster_free(struct roster *r);
/* The item of j's bare JID, listed or not; NULL when there is none. */
struct roster_item *roster_find(const struct roster *r, const struct jid *j);
void roster_each(const struct roster *r, void (*fn)(const struct roster_item *i, void *arg), void *arg);
/* An IQ from a component that an administrator has let see or change rosters (XEP-0356 §4, packet.via); on the home of `u`, which is READY. A
 * component says what the subscription of its own addresses is; otherwise it may what the user's clients may. Borrows p. */
void roster_answer_delegated(struct user *u, const struct packet *p);
void roster_set_delegated(struct user *u, struct packet *p);
/* Registers the IQ handlers (jabber:iq:roster get and set), the stream features rosterver and pre-approval are c2s's. */
void roster_start(void);
/* A subscription stanza (subscribe, subscribed, unsubscribe, unsubscribed) that the user's session sent: outbound
 * rules of §3 and A.2; the lane is held until the change is stored; then the stanza is routed with the bare JID as
 * from. Takes the reference. `s` is NULL when it ended before its stanza left the lane: the roster follows all
 * the same. */
void roster_outbound(struct session *s, struct packet *p);
/* The same that came from a contact: inbound rules, A.3. On the home of `u`, from the inbox; u may be ABSENT.
 * Borrows p. */
void roster_inbound(struct user *u, struct packet *p);
/* Pending requests, given to a session that became available (§3.1.3). */
void roster_send_requests(struct user *u, struct session *s);
/* The account is being removed: unsubscribes from and for everybody. */
void roster_account_removed(struct user *u);

#endif
