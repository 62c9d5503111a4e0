/*
 * audit: the record and the row of an action, and what has to be said when it failed afterwards. Called by verbs, and by main around its own
 * actions.
 */
#include "admin/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/config/config.h"
#include "store/audit.h"

#define BEGINNING 2048 /* less than the least limits.audit_detail_bytes */
#define NOTES_MAX 1024 /* of one request; there are few in fact */

/* What this thread has recorded and not yet seen happen. An action has no place of its own where it could be kept: verbs begin and end it, each
 * as it needs to, and all on the thread of their request. */
struct note {
	uint64_t record;
	char *action, *target; /* target may be NULL */
};

static _Thread_local struct {
	struct note *note;
	size_t n, room;
	unsigned depth; /* of audit_begin; outside nothing is kept */
} thread;

static void
note_drop(size_t i)
{
	free(thread.note[i].action);
	free(thread.note[i].target);
	thread.n--;
	memmove(&thread.note[i], &thread.note[i + 1], (thread.n - i) * sizeof *thread.note);
}

static void
note_add(const char *action, const char *target, uint64_t record)
{
	if (thread.depth == 0 || thread.n == NOTES_MAX)
		return;
	if (thread.n == thread.room) {
		thread.room = thread.room > 0 ? 2 * thread.room : 4;
		thread.note = mem_realloc(thread.note, thread.room * sizeof *thread.note);
	}
	thread.note[thread.n++] = (struct note){record, mem_strdup(action), target != NULL ? mem_strdup(target) : NULL};
}

static bool
is_same(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static void
note_happened(const char *action, const char *target)
{
	for (size_t i = thread.n; i > 0; i--) {
		if (strcmp(thread.note[i - 1].action, action) == 0 && is_same(thread.note[i - 1].target, target)) {
			note_drop(i - 1);
			return;
		}
	}
}

struct audit_who
audit_ourselves(const char *origin)
{
	return (struct audit_who){.uid = getuid(), .login = -1, .name = "chanceryd", .origin = origin};
}

static struct audit_event
event_of(const struct audit_who *who, const char *action, const char *target, const char *detail)
{
	return (struct audit_event){.person = who->name, .role = who->role, .uid = who->uid, .login = who->login, .origin = who->origin,
				    .action = action, .target = target, .detail = detail, .within_ms = who->within_ms};
}

/* What is longer than limits.audit_detail_bytes: how it begins, how long it is, and its hash. */
static char *
cut(char *text)
{
	size_t n = strlen(text), at = BEGINNING;
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], *out;
	json_t *short_;

	crypt_sha256(text, n, hash);
	text_hex(hash, sizeof hash, hex);
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	short_ = json_pack("{s:I, s:s, s:s%}", "bytes", (json_int_t)n, "sha256", hex, "begins", text, at);
	out = json_dumps(short_, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(short_);
	free(text);
	return out;
}

static char *
text_of(const json_t *detail)
{
	struct config *c = config_get();
	char *text = detail != NULL ? json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	if (text != NULL && strlen(text) > c->limits.audit_detail_bytes)
		text = cut(text);
	config_unref(c);
	return text;
}

enum sql_status
audit_write_id(struct sql *db, const struct audit_who *who, const char *action, const char *target, json_t *detail, uint64_t *record, struct err *e)
{
	char *text = text_of(detail);
	struct audit_event v = event_of(who, action, target, text);
	enum sql_status st = audit_record(&v, record, e);

	if (st == SQL_OK) {
		note_add(action, target, *record);
		st = audit_row(db, &v, *record, e);
	}
	free(text);
	return st;
}

enum sql_status
audit_write(struct sql *db, const struct audit_who *who, const char *action, const char *target, json_t *detail, struct err *e)
{
	uint64_t record;

	return audit_write_id(db, who, action, target, detail, &record, e);
}

enum sql_status
audit_write_each(struct sql *db, const struct audit_who *who, const char *action, const char *const *target, size_t n, struct err *e)
{
	json_t *list = json_array(), *detail = json_pack("{s:o}", "targets", list);
	struct audit_event v = event_of(who, action, n == 1 ? target[0] : NULL, NULL);
	uint64_t record;
	enum sql_status st;
	char *text;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(target[i]));
	v.detail = text = text_of(detail);
	json_decref(detail);
	st = audit_record(&v, &record, e);
	if (st == SQL_OK)
		note_add(action, v.target, record);
	v.detail = NULL;
	for (size_t i = 0; st == SQL_OK && i < n; i++) {
		v.target = target[i];
		st = audit_row(db, &v, record, e);
	}
	free(text);
	return st;
}

size_t
audit_begin(void)
{
	thread.depth++;
	return thread.n;
}

/* It was recorded and did not happen, or not wholly, or nobody knows: `why` says which. */
static void
record_failure(struct sql *db, const struct audit_who *who, const struct note *note, const struct err *why)
{
	json_t *detail = json_pack("{s:s, s:I}", "why", why->text, "record", (json_int_t)note->record);
	char *text = text_of(detail), action[128];
	struct audit_event v = event_of(who, action, note->target, text);
	uint64_t record;
	struct err e = {0};

	snprintf(action, sizeof action, "%s.failed", note->action);
	v.about = note->record;
	if (audit_record(&v, &record, &e) != SQL_OK)
		log_error(NULL, "audit-failure-not-recorded", "action=%s target=%s record=%" PRIu64 " why=%s", note->action, note->target,
			  note->record, e.text);
	else if (db != NULL && sql_is_connected(db) && audit_row(db, &v, record, &e) != SQL_OK)
		log_warning(NULL, "audit-row-missing", "record=%" PRIu64 " why=%s", record, e.text);
	free(text);
	json_decref(detail);
}

void
audit_end(size_t begun, struct sql *db, const struct audit_who *who, const struct err *why)
{
	thread.depth--;
	if (why != NULL && thread.n > begun && db != NULL)
		sql_rollback(db);
	while (thread.n > begun) {
		if (why != NULL)
			record_failure(db, who, &thread.note[begun], why);
		note_drop(begun);
	}
	if (thread.depth == 0) {
		free(thread.note);
		thread.note = NULL;
		thread.room = 0;
	}
}

long
audit_person(const struct audit_who *who)
{
	return who->uid >= 0 && who->login >= 0 ? who->login : who->uid;
}

bool
audit_is_person(const struct audit_who *who, long person, const char *name)
{
	if (audit_person(who) >= 0 || person >= 0)
		return audit_person(who) == person;
	return strcmp(who->name, name) == 0;
}

int
audit_person_known(const struct audit_who *who, struct err *e)
{
	if (who->uid < 0 || who->login != AUDIT_HIDDEN)
		return 0;
	return err_set(e, 0, "who has logged in cannot be seen, so it cannot be told whether you are another person: the command has ended, or"
		" /proc is hidden from the server (ProtectProc=)");
}

void
audit_log(const struct audit_who *who, const char *action, const char *target)
{
	note_happened(action, target);
	log_info(NULL, "audit", "action=%s target=%s who=%s uid=%ld", action, target, who->name,
		 who->uid);
}
