/*
 * privilege: what components do in the name of users (XEP-0356), each as far as an administrator has granted it (component_rules.h).
 *
 * At the stream privilege_take says what a stanza asks for, and marks it (packet.via). A message goes to the home of the user it is from, with
 * the component's lane waiting (core/route/lane), and there through policy, record, copies, as what a session of the user sends; it carries
 * <sent xmlns='urn:chancery:component:0' by='DOMAIN'/>, in the record and for who reads it. IQs are answered at the user's home.
 */
#ifndef CORE_PRIVILEGE_H
#define CORE_PRIVILEGE_H

#include "core/component/component_rules.h"
#include "core/route/packet.h"

struct user;

/* Of what comes from the component `self` (its domain), not sealed yet. XERROR_NONE: go on with *p, which may be another packet by now, with `via`
 * set where it needs a privilege that is there. Else: it asks for what was not granted, and gets this error. */
enum xerror privilege_take(const struct component_rules *r, struct jid *self, struct packet **p);
/* Says to the component what it may, for this host of ours (§4.2). */
struct packet *privilege_message(const struct component_rules *r, struct jid *host, struct jid *self);

/* From the component's home: a message with `via` to its user's. Takes the reference; freed when the message has left the lane there. */
void privilege_send(struct packet *p);
/* At the user's home: an IQ with `via`. Borrows p. */
void privilege_answer(struct user *u, struct packet *p);

#endif
