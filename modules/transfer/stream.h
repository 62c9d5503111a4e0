/*
 * stream: a bytestream (XEP-0047, or XEP-0065 through our proxy) between a session of ours and somebody else, from its offer to its end; and what has been collected
 * of it. Kept with the account whose session it is.
 *
 * A stream has two directions, a flow each. A flow is collected, judged and given at the home of the account it is for; when that is not an
 * account of ours, at the home of its sender. So where both ends are ours each home has a record of the stream, and its own flow to mind. One over
 * SOCKS5 (socks.h) is minded at the home of the account that asked for it.
 */
#ifndef TRANSFER_STREAM_H
#define TRANSFER_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "module_file.h"
#include "xmpp/digest.h"

/* Whose the other end is, seen from the account. */
enum side { PEER, OWN };

static inline enum side
other_side(enum side s)
{
	return s == PEER ? OWN : PEER;
}

/* Ids of what we send in somebody's name: this, random digits of this run of the server, and random digits. An answer with such an id is
 * ours; one with a client's own id is not, whatever that begins with. */
#define TRANSFER_ID "transfer-"
#define TRANSFER_ID_RUN 8
#define TRANSFER_ID_DIGITS 24
#define TRANSFER_ID_SIZE (sizeof(TRANSFER_ID) + TRANSFER_ID_RUN + TRANSFER_ID_DIGITS)

enum flow_state {
	FLOW_COLLECT, /* its sender sends */
	FLOW_JUDGE,   /* it is whole: a judgement is on its way */
	FLOW_GIVE,    /* it passed, and is given to whom it is for */
	FLOW_GIVEN,
};

struct flow {
	enum flow_state state;
	struct spool *spool;         /* NULL: nothing has come yet */
	uint64_t room;               /* the spool was made for so many bytes */
	uint16_t seq;                /* of what comes next */
	uint16_t give_seq;           /* of what is given next */
	uint64_t given;
	size_t under_way;            /* of these, what the answer to `id` is about */
	char id[TRANSFER_ID_SIZE];   /* waits for the answer to this; "": for none */
};

/* What was said of the file before (SI, Jingle). */
struct announced {
	bool known;                  /* there was an offer */
	enum side sender;
	char *name, *type;           /* NULL: not said */
	bool sized;
	uint64_t size;
	char *algorithm;             /* of XEP-0300, or "md5"; NULL: no hash that we know */
	uint8_t hash[DIGEST_MAX];
	size_t hash_size;            /* 0: it comes later, or never */
	struct digest_sum *sum;      /* of what has come */
	char *jingle;                /* its session; NULL: none */
	char *content;               /* its name there */
	bool by_responder;           /* who added it (XEP-0166, creator) */
	bool accepted;               /* the peer has said that it takes part over SOCKS5; of a bytestream that nothing was said of, too */
};

enum stream_state {
	STREAM_OFFERED, /* by SI or Jingle, or refused by its <open/> with a hope for another */
	STREAM_OPENING, /* <open/> has not been answered */
	STREAM_OPEN,
};

struct stream {
	struct list link;            /* struct transfers.streams */
	struct transfers *of;
	struct jid *own, *peer;      /* own is a full address */
	char *sid;
	bool far;                    /* the peer has no home here: its flow is ours, too */
	enum stream_state state;
	enum side opener;
	char *question;              /* id of the offer or the <open/> that waits for its answer; NULL: none */
	uint64_t socks;              /* number of the proxy's bytestream (core/file/bytestream.h); 0: it is in band */
	char address[SOCKS_ADDRESS + 1];
	bool asked_socks;            /* `question` is about that */
	bool told;                   /* its people have been told why it does not arrive */
	uint16_t block_size;
	bool by_message;
	struct flow flow[2];         /* by who sends */
	bool closed[2];              /* who has sent <close/> */
	char *close_id;              /* of one that has not been answered; NULL: none */
	struct announced file;
	bool gone, forsaken;         /* our session has ended; and what follows from that has been done */
	unsigned holds;              /* a judgement that has not come back, or somebody further up who still looks at it */
	bool over;                   /* out of the list; freed with the last hold */
	int64_t active_ms;
};

/* With the account. */
struct transfers {
	struct list streams;         /* oldest first */
	unsigned n;
	struct list sessions;        /* Jingle sessions about files (jingle.h) */
	unsigned nsessions;
	bool ticking;
};

struct transfers *transfers_new(void);
void transfers_free(void *data);

struct stream *stream_find(const struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid);
/* NULL, and h->error set: too many, of this sender or in all. */
struct stream *stream_new(struct hook *h, struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid, enum side opener);
/* Out of the list, and freed unless it is held. */
void stream_end(struct stream *s);
/* The same when its sender may be waiting for the answer to <close/>. */
void stream_drop(struct hook *h, struct stream *s, const char *text);
/* `from` has asked the other end something, which `id` names; what was asked before is not waited for any more. */
void stream_ask(struct stream *s, enum side from, const char *id, bool about_socks);
/* Nothing is asked any more. */
void stream_asked(struct stream *s);
void stream_hold(struct stream *s);
/* False: it is over, and perhaps gone. */
bool stream_release(struct stream *s);

/* Is the flow that this side sends minded here? */
static inline bool
stream_minds(const struct stream *s, enum side sender)
{
	return sender == PEER || s->far || s->socks;
}

/* Saying something in the other's name. Takes the stanza. */
void stream_say(struct hook *h, const struct stream *s, enum side to, struct stanza *st);
void stream_result(struct hook *h, const struct stream *s, enum side to, const char *id);
void stream_error(struct hook *h, const struct stream *s, enum side to, const char *id, enum xerror e, const char *type, const char *text);
/* Before the first of them is made. */
void transfer_id_begin(void);
void transfer_id(char id[TRANSFER_ID_SIZE]);
bool transfer_id_is_ours(const char *id);
/* An IQ of type set with an id of ours, which is written to `id` when that is not NULL. */
struct stanza *stream_question(char id[TRANSFER_ID_SIZE]);
/* <close/>, whose answer goes to nobody. */
void stream_close(struct hook *h, const struct stream *s, enum side to, char id[TRANSFER_ID_SIZE]);

#endif
