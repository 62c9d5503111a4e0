/*
 * judge: whether a file may go on: the one way for all paths (P5). Policy, scan, true type, policy again, quarantine, record.
 *
 * What passes has been scanned whole and found clean, is allowed by policy for whom it is from and to, and is in the record (a record of kind
 * RECORD_FILE: name, size, hash, declared and true type, verdict, signatures) before anybody gets a byte (P1). What does not pass is in the
 * record, too, and in the quarantine when it is infected, or unscannable and files.quarantine_unscannable says so. The same content is not
 * scanned twice with the same signatures (chancery.file knows).
 */
#ifndef CORE_JUDGE_H
#define CORE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file_rule.h"
#include "core/file/scanner.h"
#include "core/file/spool.h"
#include "store/file_store.h"
#include "store/sql.h"
#include "xmpp/jid.h"

enum judge_verdict {
	JUDGE_PASS = 1,
	JUDGE_INFECTED,
	JUDGE_UNSCANNABLE,
	JUDGE_FORBIDDEN, /* policy: size, type, group, destination */
	JUDGE_CLOSED,    /* no scanner, no signatures, no disk, no database: later perhaps */
};

/* By which way it came: written into the record and the metrics. */
enum judge_path { JUDGE_UPLOAD, JUDGE_IBB, JUDGE_S5B, JUDGE_BOB, JUDGE_VCARD, JUDGE_AVATAR, JUDGE_DATA_URI, JUDGE_LINK, JUDGE_PATHS };

struct judgement {
	struct mail mail;            /* run at home, exactly once; out is set */
	struct reactor *home;
	void *owner;                 /* the caller's */
	struct arena *arena;         /* the caller's; what is out is in it. Not touched by the caller until the mail */
	/* In; lives until the mail */
	struct spool *spool;         /* borrowed */
	enum judge_path path;
	const struct jid *from, *to; /* to NULL: nobody yet (upload) */
	const char *groups;          /* the sender's groups of the organisation, a line each; "" */
	const char *name, *type;     /* declared; NULL when not */
	bool keep;                   /* when it passes: it stays in the vault, durably, before the mail */
	int64_t deadline_ms;         /* monotonic: what has not been scanned by then is JUDGE_CLOSED; 0: limits.scan_seconds */
	/* NULL, or what is to be true in the database together with the verdict, or not at all: on a worker, in the transaction that notes the
	 * transfer; out is set. One statement, which adds `event` (file_event_add's), too: the transaction ends with it. It is not called for what is
	 * JUDGE_CLOSED, and when it fails, that is what it is. */
	enum sql_status (*with)(struct judgement *j, struct sql *db, const struct file_event *event, struct err *e);
	/* Out */
	enum judge_verdict verdict;
	const char *text;            /* what is said to people, whole sentence(s); "" for JUDGE_PASS */
	const char *true_type;       /* "" when not known */
	uint64_t record_id;          /* of the RECORD_FILE; 0: the archive is away (JUDGE_CLOSED) */
	int64_t event;               /* chancery.file_event: this transfer; 0: `with` has added it */
};

/* From a reactor. */
void judge_submit(struct judgement *j);
/* Would a file of this size (0: not known) and declared type be allowed from this sender (groups NULL: not known here; to NULL: not known yet)? For
 * slots and offers, before a byte is taken. JUDGE_PASS, JUDGE_FORBIDDEN or JUDGE_CLOSED with `text` (static or in `a`). Any reactor. */
enum judge_verdict judge_ahead(struct arena *a, const struct jid *from, const char *groups, const struct jid *to, uint64_t size,
	const char *type, const char **text);
/* What was uploaded is sent to somebody: may it, by its size and true type? `encrypted`: it is said that it is, from end to end: what rules say of that
 * holds, and when they say nothing, what they say of what it looks like. NULL, or why not. Any reactor. */
const char *judge_sent(struct arena *a, const struct jid *from, const char *groups, const struct jid *to, uint64_t size, const char *true_type,
	bool encrypted);
/* What files.rules say of a file that nobody here looks into: it is encrypted, or stays on another server. Any reactor. */
enum file_say judge_unseen(const struct jid *from, const char *groups, const struct jid *to, bool encrypted);

#endif
