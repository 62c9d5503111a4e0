/*
 * presence: broadcast, probes, directed presence (RFC 6121 §4).
 */
#ifndef CORE_PRESENCE_H
#define CORE_PRESENCE_H

#include "core/route/packet.h"

struct session;
struct user;

/* Presence without `to` from a session: initial, update, unavailable. Takes the
 * reference. */
void presence_broadcast(struct session *s, struct packet *p);
/* Presence with `to`, types none and unavailable (and error): directed. Takes the reference; routes it. */
void presence_directed(struct session *s, struct packet *p);
/* A probe, available, unavailable or error presence arrives for a user, who may be ABSENT. Borrows p. */
void presence_inbound(struct user *u, struct packet *p);
/* The session ends: tell contacts and those told directly. Its list of directed presence is empty afterwards. */
void presence_session_closed(struct session *s);
/* Addresses that sessions of the user have shown themselves to directly (rooms, mostly) and that `is_gone` says cannot be reached any more: the
 * sessions see them go. */
void presence_lose_directed(struct user *u, bool (*is_gone)(const struct jid *to));
/* The addresses at `domain` that the session has shown itself to directly. `fn` must not change that. */
void presence_each_directed(const struct session *s, const char *domain, void (*fn)(void *arg, const struct jid *to), void *arg);
/* Presence of the user to `to`, unless a module minds (HOOK_PRESENCE_TO): a blocked contact sees nothing more of the user. Borrows p. */
void presence_send_to(struct user *u, const struct packet *p, struct jid *to);
/* Contact `to` may see our presence from now on (subscribed) or no longer: send the current state of all
 * available sessions, or unavailable. */
void presence_send_current(struct user *u, struct jid *to);
void presence_send_unavailable(struct user *u, struct jid *to);
/* Asks `to` for its presence in the user's name. */
void presence_probe(struct user *u, struct jid *to);

#endif
