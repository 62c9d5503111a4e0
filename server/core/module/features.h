/*
 * features: what clients support, as their presence announces it (XEP-0115, XEP-0390): those of our sessions, and those of contacts
 * elsewhere (core/module/elsewhere).
 *
 * A hash that has been checked says the same of everybody: such sets are kept for the whole process, bounded, and shared
 * by all sessions that announce them. What cannot be checked, or is wrong, is believed of the client that said it and of
 * nobody else.
 */
#ifndef CORE_FEATURES_H
#define CORE_FEATURES_H

#include <stdbool.h>

#include "core/route/packet.h"

struct elsewhere;
struct features;
struct session;
struct user;

/* In struct session, in struct elsewhere. */
struct announced {
	char *key;                 /* which capabilities; NULL: none */
	struct features *features; /* NULL: not known (yet) */
};

/* The session has broadcast this available presence: looks up or asks what is not known, and tells modules
 * (HOOK_CAPS_KNOWN), now or later. */
void features_announced(struct session *s, const struct packet *presence);
/* The same of a contact's client at another server; HOOK_ELSEWHERE_CAPS of `u`. */
void features_announced_elsewhere(struct user *u, struct elsewhere *e, const struct packet *presence);
bool features_has(const struct announced *a, const char *var);
void features_each(const struct announced *a, void (*fn)(void *arg, const char *var), void *arg);
/* Everything is forgotten. */
void features_drop(struct announced *a);
/* It is no longer available, or ends: at its next presence everything begins anew. */
void features_forget(struct session *s);
/* Empties the cache; after the reactors. */
void features_stop(void);

#endif
