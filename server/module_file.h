/*
 * module_file: files that modules take out of what passes: collected, judged (scanned, recorded), and only then passed on (P5).
 */
#ifndef MODULE_FILE_H
#define MODULE_FILE_H

#include "core/file/bytestream.h"
#include "core/file/fetch.h"
#include "core/file/file_policy.h"
#include "core/file/judge.h"
#include "module.h"

/* Judges the file and goes on: f->verdict says how. `f`, its spool and its texts live in hook_memory(h), or as long. f->home, f->owner
 * and f->arena are set here, and f->groups when it is NULL (to those of h's account; "" when there is none). `ok` is always true: f->verdict says what went wrong. */
enum hook_verdict hook_judge(struct hook *h, struct judgement *f, void *data, hook_then_fn then);

/* Fetches a file from another server and goes on: f->outcome says how. `f` lives in hook_memory(h), or as long; f->url, f->sender, f->deadline_ms
 * and f->most are the module's, the rest is set here. `ok` is always true. What was fetched has been looked at by nobody yet: judge it. */
enum hook_verdict hook_fetch(struct hook *h, struct fetch *f, void *data, hook_then_fn then);

/* Makes a file that was judged (with `keep`, and passed) an upload of whom it is from: whoever knows its address can have it, for files.keep. It
 * counts against the quota of h's account (limits.file_quota_bytes); of those who have none here, against that of their whole domain
 * (limits.fetch_quota_bytes), and their own (limits.fetch_owner_quota_bytes). `ok` false: the database was not available, or the content is not there any more. */
struct hook_publish {
	const struct judgement *f; /* with its spool */
	const char *name;          /* NULL: it has none */
	/* Out */
	bool over_quota;
	const char *address;       /* https://…, in hook_memory(h); unless over_quota */
};
enum hook_verdict hook_publish(struct hook *h, struct hook_publish *p, void *data, hook_then_fn then);
/* How much hook_publish would take now of h's files, before there are any. `ok` false: the database was not available. */
struct hook_room {
	uint64_t bytes; /* out */
};
enum hook_verdict hook_publish_room(struct hook *h, struct hook_room *r, void *data, hook_then_fn then);
/* An address as h's file of this name would get it, as long and at the same place, which leads to nothing; in hook_memory(h). */
const char *hook_publish_sample(struct hook *h, const char *name);
/* Can there be such addresses at all (listen.https)? */
bool hook_can_publish(void);

/* Where clients of this domain of ours reach the proxy of bytestreams; `host` is appended to. False: nobody listens. */
bool module_proxy(const char *domain, struct buf *host, unsigned *port);
/* Gives the order (core/file/bytestream.h) and goes on: o->outcome says how. `o` lives in hook_memory(h), or as long; o->home, o->done and
 * o->owner are set here. `ok` is always true. */
enum hook_verdict hook_bytestream(struct hook *h, struct bytestream_order *o, void *data, hook_then_fn then);
/* May files be exchanged with `who`, in both directions, as far as that is a question of their server (a partner, with which files pass, and whom
 * h's account may write to)? Asked for what is no stanza to them; what is, is asked on its way. */
bool module_may_exchange_files(const struct hook *h, const struct jid *who);
/* Do files pass between the servers of these two, by their entries as partners? True where neither is another server's. For what becomes a file on
 * its way; what is one when it is sent has been asked. */
bool module_files_pass(const struct jid *from, const struct jid *to);
/* Tells an account of ours (others: nobody) what became of a file, in the server's name. */
void module_notice(const struct jid *to, const char *text);

#endif
