/*
 * vcard_memory: what the module keeps in memory, and the parts of it that other files of the module offer.
 */
#ifndef VCARD_MEMORY_H
#define VCARD_MEMORY_H

#include "module.h"
#include "vcard_store.h"

#define NODE_VCARD4 "urn:xmpp:vcard4"

/* With each account. */
struct vcard_memory {
	char photo_sha1[41];           /* "" when there is no photo */
	enum vcard_access photo_access;
	bool syncing, again;           /* vcard_sync.c */
	unsigned settling, sets;       /* vCards being set and not published yet; those set so far */
	bool missed;                   /* a published picture came meanwhile */
};

/* With each session. */
struct vcard_session {
	bool declined; /* its client said that it shows no picture (XEP-0398 §5) */
};

/* The photo is now this one (NULL: none); contacts are told. */
void vcard_photo_changed(struct hook *h, const char *sha1, enum vcard_access access);
/* HOOK_SEND_CHECK. */
enum hook_verdict vcard_presence_check(struct hook *h);
/* HOOK_RECV_DELIVER. */
enum hook_verdict vcard_sync_event(struct hook *h);
/* Looks again, in a new chain. */
void vcard_sync_again(struct hook *h);
/* HOOK_IQ: what the module sends itself when there was an event meanwhile. */
enum hook_verdict vcard_sync_iq(struct hook *h);

/* An element as text that is complete by itself. */
const char *vcard_text_of(struct arena *a, const struct elem *e);
/* Reads a text of ours; unsealed. */
struct stanza *vcard_parse(const char *xml);

#endif
