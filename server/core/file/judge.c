/*
 * judge: one file through all that is asked of it, step by step, each answered at its home:
 *
 *   policy ahead → what the database knows of this content → scan, if that is not enough → policy by what it is
 *     → side by side: the vault (or the quarantine), and the record → the database → out of the vault what is found now → the mail
 *
 * Nothing passes but by the last step. A step that fails (`closed`) ends in JUDGE_CLOSED: later perhaps.
 */
#include "core/file/judge.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"
#include "core/federation/federation.h"
#include "core/file/aftercare.h"
#include "core/file/file_policy.h"
#include "core/file/notice.h"
#include "core/file/vault.h"
#include "store/pool.h"
#include "store/record.h"
#include "xmpp/serialize.h"

#define DISK_MS 60000 /* for the disk, which is no database */

struct judging {
	struct judgement *j;
	struct jid *server;      /* whom an upload is to, in the record */
	struct file_row row;     /* what is known, or has been found out; state 0: not scanned */
	bool known;              /* it is as the database has it */
	bool was_kept;           /* until now; it is not any more */
	const char *name, *declared; /* as they are kept */
	struct scan scan;
	bool again;              /* scanned once more: signatures have changed during the first scan */
	struct record_entry rec;
	unsigned pending;        /* of record and disk */
	bool disk_failed, kept, quarantined;
	char hex[2 * SHA256_SIZE + 1];
};

static const char *const paths[JUDGE_PATHS] = { [JUDGE_UPLOAD] = "upload", [JUDGE_IBB] = "ibb", [JUDGE_S5B] = "s5b", [JUDGE_BOB] = "bob",
	[JUDGE_VCARD] = "vcard", [JUDGE_AVATAR] = "avatar", [JUDGE_DATA_URI] = "data", [JUDGE_LINK] = "fetched" };
static const char *const verdicts[] = { [JUDGE_PASS] = "clean", [JUDGE_INFECTED] = "infected", [JUDGE_UNSCANNABLE] = "unscannable",
	[JUDGE_FORBIDDEN] = "forbidden", [JUDGE_CLOSED] = "error" };

/* Ahead */

static const char *
closed_text(struct arena *a, const char *why)
{
	return arena_printf(a, "Files cannot be sent at the moment: %s. Please try again later.", why);
}

static struct file_facts
facts_of(const struct jid *from, const char *groups, const struct jid *to)
{
	return (struct file_facts){ .groups = groups, .from = jid_domain(from), .from_remote = federation_is_remote(from),
		.to = to ? jid_domain(to) : NULL, .to_remote = to && federation_is_remote(to) };
}

/* What is to nobody is to the sender's own account; but for an upload, of which that comes to be known later. */
static const struct jid *
whom_to(const struct judgement *j)
{
	return j->to || j->path == JUDGE_UPLOAD ? j->to : j->from;
}

enum judge_verdict
judge_ahead(struct arena *a, const struct jid *from, const char *groups, const struct jid *to, uint64_t size, const char *type, const char **text)
{
	struct config *c = config_get();
	enum judge_verdict v = JUDGE_PASS;
	struct file_facts f = facts_of(from, groups, to);
	const char *why = NULL;

	f.more = true;
	*text = "";
	if (!c->modules.files.on) {
		v = JUDGE_FORBIDDEN;
		*text = "Files are not allowed here.";
	} else if ((why = file_policy_ahead(a, c, &f, size, type))) {
		v = JUDGE_FORBIDDEN;
		*text = why;
	} else if (!scanner_is_open(&why)) {
		v = JUDGE_CLOSED;
		*text = why;
	}
	config_unref(c);
	return v;
}

const char *
judge_sent(struct arena *a, const struct jid *from, const char *groups, const struct jid *to, uint64_t size, const char *true_type,
	bool encrypted)
{
	struct config *c = config_get();
	struct file_facts f = facts_of(from, groups, to);
	const char *why;

	f.type = true_type;
	f.size = size;
	f.has_size = true;
	f.encrypted = encrypted;
	why = file_policy_sent(a, c, &f);
	config_unref(c);
	return why;
}

enum file_say
judge_unseen(const struct jid *from, const char *groups, const struct jid *to, bool encrypted)
{
	struct config *c = config_get();
	struct file_facts f = facts_of(from, groups, to);
	enum file_say say;

	f.encrypted = encrypted;
	say = file_rules_say(c->modules.files.rules.item, c->modules.files.rules.n, &f);
	config_unref(c);
	return say;
}

/* The end */

/* Whom it is to has taken the transfer up. A stanza with a file in it has not come so far: perhaps they want nothing of this sender. */
static bool
recipient_knows(const struct judgement *j)
{
	return j->to && (j->path == JUDGE_IBB || j->path == JUDGE_S5B);
}

static void
tell_people(const struct judgement *j)
{
	const char *name = file_name_shown(j->arena, j->name);

	notice_send_about(j->from, j->to ? j->to : j->from, j->text);
	if (recipient_knows(j))
		notice_send_about(j->to, j->from, arena_printf(j->arena, "%s wanted to send you a file that contains a virus: %s. It was not "
			"passed on, there is nothing that you have to do.", jid_bare(j->from), name));
}

static void
finish(struct judging *g)
{
	struct judgement *j = g->j;

	metric_file(paths[j->path], verdicts[j->verdict]);
	if (j->verdict != JUDGE_PASS)
		log_info(NULL, "file-refused", "path=%s verdict=%s from=%s to=%s sha256=%s type=%s why=%s", paths[j->path], verdicts[j->verdict],
			jid_bare(j->from), j->to ? jid_bare(j->to) : "", g->hex, j->true_type,
			j->verdict == JUDGE_CLOSED || j->verdict == JUDGE_FORBIDDEN ? j->text : g->row.found);
	if (j->verdict == JUDGE_INFECTED)
		tell_people(j);
	if (g->was_kept)
		aftercare_withdrawn(g->row.sha256, g->row.found);
	jid_unref(g->server);
	reactor_post(j->home, &j->mail);
}

/* Whatever it was until now. */
static void
closed(struct judging *g, const char *why)
{
	g->j->verdict = JUDGE_CLOSED;
	g->j->text = closed_text(g->j->arena, why);
	finish(g);
}

/* The database */

struct noting {
	struct judging *g;
	enum file_state state;
	bool was_kept;
};

/* What the vault had when it was asked may have been swept out since; under the row's lock it stays. */
static bool
is_still_kept(const struct judging *g, struct err *e)
{
	uint64_t size;
	int fd = vault_open(g->row.sha256, &size, e);

	if (fd < 0)
		return vault_keep(g->j->spool, e) == 0;
	(void)close(fd);
	return true;
}

static enum sql_status
note_content(struct sql *db, struct noting *n, struct err *e)
{
	struct judging *g = n->g;
	enum sql_status st;

	if (g->known)
		st = file_seen(db, g->row.sha256, g->kept, &n->state, e);
	else
		st = file_put(db, &g->row, &n->state, &n->was_kept, e);
	if (st == SQL_OK && g->kept && !is_still_kept(g, e))
		return SQL_FAILED;
	/* The same for the quarantine, out of which it may have been deleted. */
	if (st == SQL_OK && g->quarantined && quarantine_put(g->j->spool, e))
		return SQL_FAILED;
	return st;
}

static bool
may_be_read(enum file_state s)
{
	return s == FILE_CLEAN || s == FILE_RELEASED;
}

/* Somebody has found more in it meanwhile. */
static bool
is_outdated(const struct noting *n)
{
	return n->g->j->verdict == JUDGE_PASS && !may_be_read(n->state);
}

static enum sql_status
note_work(struct job *job, struct sql *db)
{
	struct noting *n = job->data;
	struct judging *g = n->g;
	struct judgement *j = g->j;
	struct file_event v = { .path = paths[j->path], .sha256 = g->row.sha256, .from = jid_bare(j->from), .to = j->to ? jid_bare(j->to) : NULL,
		.name = g->name, .declared = g->declared, .verdict = verdicts[j->verdict], .text = j->text, .record_id = j->record_id };
	enum sql_status st = SQL_OK;

	/* A content, then the transfer and what belongs to it: two round trips. */
	if (g->row.state) {
		sql_begin_with(db);
		st = note_content(db, n, &job->err);
		sql_commit_with(db);
	}
	if (st == SQL_OK && j->with && j->verdict != JUDGE_CLOSED && !is_outdated(n))
		st = j->with(j, db, &v, &job->err);
	else if (st == SQL_OK)
		st = file_event_add(db, &v, &job->err);
	j->event = v.id;
	return st;
}

static enum sql_status
withdraw_work(struct job *job, struct sql *db)
{
	struct judging *g = job->owner;

	(void)db;
	return vault_remove(g->row.sha256, &job->err) ? SQL_FAILED : SQL_OK;
}

static void
withdrawn(struct job *job)
{
	struct judging *g = job->owner;

	if (job->status != JOB_OK) /* tidy does it again */
		log_error(NULL, "file-not-stored", "step=withdraw sha256=%s why=%s", g->hex, job->err.text);
	finish(g);
}

/* The row says that it is in the quarantine; now it is there only. */
static void
withdraw(struct judging *g)
{
	struct job *job = job_new(0);

	job->work = withdraw_work;
	job->done = withdrawn;
	job->owner = g;
	job->deadline_ms = clock_mono_ms() + DISK_MS;
	pool_submit_disk(job);
}

static void
noted(struct job *job)
{
	struct noting *n = job->data;
	struct judging *g = n->g;

	if (job->status != JOB_OK) {
		log_warning(NULL, "file-not-noted", "sha256=%s why=%s", g->hex, job->err.text);
		g->j->event = 0;
		closed(g, "the database is not available");
		return;
	}
	g->was_kept = n->was_kept && !may_be_read(n->state);
	if (is_outdated(n))
		closed(g, "its content has just been judged anew");
	else if (g->was_kept && g->quarantined)
		withdraw(g);
	else
		finish(g);
}

static void
note(struct judging *g)
{
	struct job *job = job_new(sizeof(struct noting));
	struct noting *n = job->data;

	n->g = g;
	job->work = note_work;
	job->done = noted;
	pool_submit(job, crypt_hash(g->row.sha256, SHA256_SIZE));
}

/* Record and disk */

static void
one_is_done(struct judging *g)
{
	struct judgement *j = g->j;

	if (--g->pending)
		return;
	if (g->rec.outcome != RECORD_COMMITTED) {
		closed(g, "the archive is not available");
		return;
	}
	j->record_id = g->rec.id;
	if (j->verdict == JUDGE_PASS && g->disk_failed) {
		j->verdict = JUDGE_CLOSED;
		j->text = closed_text(j->arena, "the file could not be stored");
	}
	g->row.kept = g->kept;
	g->row.quarantined = g->quarantined;
	note(g);
}

static void
recorded(struct mail *m)
{
	one_is_done(LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct judging, rec));
}

static void
add_attr(struct buf *b, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(b, " %s='", name);
	serialize_attr(b, value, strlen(value));
	buf_addc(b, '\'');
}

static const char *
describe(const struct judging *g)
{
	const struct judgement *j = g->j;
	struct buf b = { 0 };
	char stamp[32];
	const char *out;

	buf_adds(&b, "<file xmlns='urn:chancery:file:0'");
	add_attr(&b, "path", paths[j->path]);
	add_attr(&b, "name", g->name);
	buf_addf(&b, " size='%" PRIu64 "'", spool_size(j->spool));
	add_attr(&b, "sha-256", g->hex);
	add_attr(&b, "type", j->true_type);
	add_attr(&b, "declared", g->declared);
	add_attr(&b, "verdict", verdicts[j->verdict]);
	add_attr(&b, "text", j->text);
	if (g->row.state == FILE_RELEASED)
		add_attr(&b, "released", "true");
	if (g->row.scanned_us)
		add_attr(&b, "scanned", clock_format(g->row.scanned_us, stamp));
	if (g->row.signatures_s)
		add_attr(&b, "signatures", clock_format(g->row.signatures_s * 1000000, stamp));
	buf_adds(&b, "/>");
	out = arena_strndup(j->arena, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	return out;
}

static const char *
in_words(const struct judging *g)
{
	const struct judgement *j = g->j;
	const char *type = *j->true_type ? j->true_type : "type not known", *v = verdicts[j->verdict];

	return arena_printf(j->arena, "File %s (%s, %s): %s%s%s%s", file_name_shown(j->arena, g->name),
		file_size_shown(j->arena, spool_size(j->spool)), type, v, g->row.state >= FILE_INFECTED && *g->row.found ? ", " : "",
		g->row.state >= FILE_INFECTED ? g->row.found : "", g->row.state == FILE_RELEASED ? " (released from the quarantine)" : "");
}

static void
record(struct judging *g)
{
	struct judgement *j = g->j;
	const struct jid *to = j->to ? j->to : g->server;
	struct record_entry *r = &g->rec;

	r->mail.run = recorded;
	r->home = reactor_current();
	r->kind = RECORD_FILE;
	r->direction = federation_is_remote(j->from) ? RECORD_IN : j->to && federation_is_remote(j->to) ? RECORD_OUT : RECORD_LOCAL;
	r->from_bare = jid_bare(j->from);
	r->from_resource = jid_resource(j->from);
	r->from_key = jid_hash(j->from);
	r->to_bare = jid_bare(to);
	r->to_resource = jid_resource(to);
	r->to_key = jid_hash(to);
	r->stanza = describe(g);
	r->stanza_len = strlen(r->stanza);
	r->body = in_words(g);
	r->accepted_ms = clock_mono_ms();
	record_submit(r);
}

static enum sql_status
disk_work(struct job *job, struct sql *db)
{
	struct judging *g = job->owner;
	int rc;

	(void)db;
	if (g->j->verdict == JUDGE_PASS)
		rc = vault_keep(g->j->spool, &job->err);
	else
		rc = quarantine_put(g->j->spool, &job->err);
	return rc ? SQL_FAILED : SQL_OK;
}

static void
disk_done(struct job *job)
{
	struct judging *g = job->owner;

	g->disk_failed = job->status != JOB_OK;
	if (g->disk_failed) {
		metric_add(METRIC_FILES_DISK_FAILED, 1);
		log_error(NULL, "file-not-stored", "sha256=%s why=%s", g->hex, job->err.text);
	} else if (g->j->verdict == JUDGE_PASS) {
		g->kept = true;
	} else {
		g->quarantined = true;
	}
	one_is_done(g);
}

static void
store(struct judging *g)
{
	struct job *job = job_new(0);

	job->work = disk_work;
	job->done = disk_done;
	job->owner = g;
	job->deadline_ms = clock_mono_ms() + DISK_MS;
	pool_submit_disk(job);
}

/* The verdict is there: it is made true. */
static void
settle(struct judging *g)
{
	struct judgement *j = g->j;
	struct config *c = config_get();
	bool quarantine = j->verdict == JUDGE_INFECTED || (j->verdict == JUDGE_UNSCANNABLE && c->files.quarantine_unscannable);

	config_unref(c);
	g->pending = 1;
	if (quarantine || (j->verdict == JUDGE_PASS && j->keep)) {
		g->pending++;
		store(g);
	}
	record(g);
}

/* The scan */

static void
judge_content(struct judging *g)
{
	struct judgement *j = g->j;
	const char *shown = file_name_shown(j->arena, j->name), *why;
	struct file_facts f;
	struct config *c;

	j->true_type = g->row.type;
	switch (g->row.state) {
	case FILE_INFECTED:
	case FILE_WITHDRAWN:
		j->verdict = JUDGE_INFECTED;
		j->text = arena_printf(j->arena, "%s contains a virus (%s) and was not passed on. It is kept apart; if you think that this is wrong, "
			"ask your administrator.", shown, g->row.found);
		break;
	case FILE_UNSCANNABLE:
		j->verdict = JUDGE_UNSCANNABLE;
		j->text = arena_printf(j->arena, "%s could not be searched for viruses (%s), so it was not passed on.", shown, g->row.found);
		break;
	default:
		f = facts_of(j->from, j->groups, whom_to(j));
		f.type = j->true_type;
		f.size = g->row.size;
		f.has_size = true;
		f.more = !f.to;
		c = config_get();
		why = file_policy_content(j->arena, c, &f, j->name, j->type);
		config_unref(c);
		j->verdict = why ? JUDGE_FORBIDDEN : JUDGE_PASS;
		j->text = why ? why : "";
	}
	settle(g);
}

static void scan(struct judging *g);

/* Others are in force than those that have seen it. */
static bool
is_retired(const struct scan *s)
{
	struct scan_state now;

	scanner_state(&now);
	return now.generation && (s->signatures != now.generation || s->signatures_s != now.newest_s || s->signatures_n != now.signatures ||
		s->signatures_set != now.set);
}

/* A scanner that was asleep when the file came (files.scanner_start: lazy) knows only now how old its signatures are. */
static bool
is_too_old(void)
{
	return scanner_condition() == SCANNER_OLD && !scanner_is_open(NULL);
}

static void
not_scanned(struct judging *g, const char *why)
{
	g->row.state = 0;
	g->j->verdict = JUDGE_CLOSED;
	g->j->text = closed_text(g->j->arena, why);
	settle(g);
}

static void
scanned(struct mail *m)
{
	struct judging *g = LIST_ENTRY(LIST_ENTRY(m, struct scan, mail), struct judging, scan);
	static const enum file_state states[] = { [SCAN_CLEAN] = FILE_CLEAN, [SCAN_INFECTED] = FILE_INFECTED, [SCAN_UNSCANNABLE] = FILE_UNSCANNABLE };

	g->known = false;
	if (g->scan.verdict == SCAN_CLEAN && !g->again && is_retired(&g->scan)) {
		g->again = true;
		scan(g);
		return;
	}
	if (g->scan.verdict == SCAN_CLEAN && is_too_old()) {
		not_scanned(g, "the signatures of the virus scanner are too old");
		return;
	}
	if (g->scan.verdict != SCAN_CLEAN && g->scan.verdict != SCAN_INFECTED && g->scan.verdict != SCAN_UNSCANNABLE) {
		not_scanned(g, g->scan.text[0] ? g->scan.text : "the scanner is not available");
		return;
	}
	g->row.state = states[g->scan.verdict];
	g->row.type = g->scan.type;
	g->row.found = g->scan.verdict == SCAN_CLEAN ? "" : g->scan.text;
	g->row.scanned_us = clock_wall_us();
	g->row.signatures_n = g->scan.signatures_n;
	g->row.signatures_set = g->scan.signatures_set;
	g->row.signatures_s = g->scan.signatures_s;
	judge_content(g);
}

static void
scan(struct judging *g)
{
	g->scan = (struct scan){ .mail.run = scanned, .home = reactor_current(), .fd = spool_fd(g->j->spool), .size = spool_size(g->j->spool) };
	if (g->j->deadline_ms) {
		int64_t left = g->j->deadline_ms - clock_mono_ms();

		g->scan.patience_ms = left > 1 ? (unsigned)left : 1;
	}
	scanner_submit(&g->scan);
}

/* What is known */

struct looking {
	struct judging *g;
	struct file_row *row;
};

static enum sql_status
look_work(struct job *job, struct sql *db)
{
	struct looking *l = job->data;

	return file_find(db, job->arena, l->g->row.sha256, &l->row, &job->err);
}

/* The signatures in force have seen it. What could not be scanned is tried again: limits may have changed. */
static bool
is_still_true(const struct file_row *row)
{
	struct scan_state now;

	if (row->state == FILE_RELEASED)
		return true;
	scanner_state(&now);
	return (row->state == FILE_CLEAN || (row->state != FILE_UNSCANNABLE && row->quarantined)) && now.generation && now.newest_s &&
		row->signatures_s == now.newest_s && row->signatures_n == now.signatures && row->signatures_set == now.set;
}

static void
looked(struct job *job)
{
	const struct looking *l = job->data;
	struct judging *g = l->g;

	if (job->status != JOB_OK) {
		closed(g, "the database is not available");
		return;
	}
	if (!l->row || !is_still_true(l->row)) {
		scan(g);
		return;
	}
	g->known = true;
	g->row = *l->row;
	g->row.type = arena_strdup(g->j->arena, l->row->type);
	g->row.found = arena_strdup(g->j->arena, l->row->found);
	judge_content(g);
}

static void
look_up(struct judging *g)
{
	struct job *job = job_new(sizeof(struct looking));

	((struct looking *)job->data)->g = g;
	job->deadline_ms = g->j->deadline_ms;
	job->work = look_work;
	job->done = looked;
	pool_submit(job, crypt_hash(g->row.sha256, SHA256_SIZE));
}

void
judge_submit(struct judgement *j)
{
	struct judging *g = arena_zalloc(j->arena, sizeof(*g));

	g->j = j;
	g->server = jid_new(NULL, jid_domain(j->from), NULL);
	g->name = file_name_kept(j->arena, j->name);
	g->declared = file_name_kept(j->arena, j->type);
	memcpy(g->row.sha256, spool_sha256(j->spool), SHA256_SIZE);
	text_hex(g->row.sha256, SHA256_SIZE, g->hex);
	g->row.size = spool_size(j->spool);
	g->row.type = g->row.found = "";
	j->true_type = "";
	j->record_id = 0;
	j->event = 0;
	j->verdict = judge_ahead(j->arena, j->from, j->groups, whom_to(j), g->row.size, j->type, &j->text);
	if (j->verdict == JUDGE_PASS)
		look_up(g);
	else if (j->verdict == JUDGE_CLOSED)
		finish(g);
	else
		settle(g);
}
