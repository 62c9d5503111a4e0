/*
 * record_kind: what a record is. Numbers are stored: they never change meaning.
 */
#ifndef STORE_RECORD_KIND_H
#define STORE_RECORD_KIND_H

enum record_kind {
	RECORD_MESSAGE = 1,
	RECORD_CORRECTION = 2, /* XEP-0308; refers_to: the id it replaces */
	RECORD_RETRACTION = 3, /* XEP-0424 */
	RECORD_REACTION = 4,   /* XEP-0444 */
	RECORD_RECEIPT = 5,    /* XEP-0184, XEP-0333 */
	RECORD_TYPING = 6,     /* only where archive.typing says so */
	RECORD_RETURNED = 7,   /* the record `refers_record` was returned to its sender, not delivered */
	/* Data that people can read, when it changes; the stanza is the IQ that changed it. */
	RECORD_PROFILE = 8,    /* vCard (XEP-0054) */
	RECORD_PUBLISH = 9,    /* items published, retracted or purged at nodes of accounts (XEP-0163) and services (XEP-0060), their configuration, who may, who subscribes */
	RECORD_PRIVATE = 10,   /* private XML (XEP-0049) */
	RECORD_BLOCKING = 11,  /* block list (XEP-0191) and reports of abuse (XEP-0377) */
	RECORD_ANNOUNCEMENT = 12, /* to many at once */
	/* Rooms: who could read what is in them. From the real address that it is about, or that did it, to the room. */
	RECORD_ROOM_ENTER = 13,   /* an occupant has come in: full JID and nickname */
	RECORD_ROOM_LEAVE = 14,   /* has left, was removed, or was lost */
	RECORD_ROOM_NICK = 15,    /* goes by another nickname */
	RECORD_ROOM_AFFILIATION = 16, /* affiliations or roles were changed */
	RECORD_ROOM_CONFIG = 17,  /* created, configured, destroyed */
	RECORD_MODERATION = 18,   /* XEP-0425: a moderator took a message back; refers_to: its stanza-id */
	RECORD_SUBSCRIPTION = 19, /* a presence of type subscribe, subscribed… with words in it (RFC 6121 §3) */
	RECORD_PEER = 20,         /* a stream with another server was authenticated: who it is, how, by which certificate */
	RECORD_PASSED = 21,       /* these records (ids in the body) go over the stream of the record that this one refers to */
	RECORD_FILE = 22,         /* a file was judged: name, size, hash, types, verdict; from its sender, to whom it was for */
	RECORD_FILE_FETCHED = 23, /* somebody has fetched (upload) or been given (in-band) a file */
	RECORD_AUDIT = 24,        /* who did, or looked at, what: before it happens (store/audit.h). In nobody's history or backlog */
	RECORD_ERASURE = 25,      /* content that was erased: which records, why, on whose order */
	RECORD_REQUEST = 26,      /* an IQ to somebody's client, to an address elsewhere, or the answer */
	RECORD_PRESENCE = 27,     /* words that somebody shows with their presence, or sends by it: what else is in it is left out */
};

#endif
