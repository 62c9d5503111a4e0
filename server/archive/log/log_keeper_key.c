/*
 * log_keeper_key: the keeper's settings, and its key: loading it, telling whether it is the log's, handing over to a new one.
 *
 * The key's public half is in the database with the hand-over by which it came; the private one only in its file. A new one is written
 * beside it (FILE.new), then its hand-over is committed, then it takes the file's place: after a crash in between, the database tells
 * whether FILE.new is the key.
 */
#include "archive/log/log_keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#define KEY_MS 5000

/* Settings */

static void
free_settings(struct log_settings *s)
{
	free((char *)s->conninfo);
	free((char *)s->name);
	free((char *)s->key_file);
	free((char *)s->checkpoint_file);
	free((char *)s->timestamp_url);
	memset(s, 0, sizeof(*s));
}

void
keeper_take_settings(struct log_settings *out, const struct log_settings *s)
{
	struct log_settings copy = *s;

	copy.conninfo = NULL;
	copy.name = mem_strdup(s->name);
	copy.key_file = mem_strdup(s->key_file);
	copy.checkpoint_file = mem_strdup(s->checkpoint_file);
	copy.timestamp_url = mem_strdup(s->timestamp_url);
	free_settings(out);
	*out = copy;
}

void
keeper_free_settings(struct keeper *k)
{
	free_settings(&k->s);
	free_settings(&k->next);
}

void
keeper_refresh(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	if (k->configured) {
		keeper_take_settings(&k->s, &k->next);
		k->configured = false;
		/* The files may be others now, or mended, and what is in them is looked at before anything is signed. */
		log_sink_close(&k->sink);
		k->loaded = false;
		k->ntiles = 0;
		k->retry_ms = k->broken_ms = 0;
		k->sink_ms = 1;
		k->key_checked = false;
		k->key_ms = 0;
	}
	pthread_mutex_unlock(&k->lock);
}

/* The key */

static void
set_signer(struct keeper *k, struct note_signer *s)
{
	note_signer_free(k->signer);
	k->signer = s;
	k->key_checked = s != NULL;
	metric_set(METRIC_LOG_KEY, s != NULL);
}

static bool
is_key(const struct note_signer *s, const char *vkey)
{
	char text[NOTE_VKEY_MAX];

	note_key_text(note_signer_key(s), text);
	return !strcmp(text, vkey);
}

static void
new_file(const struct keeper *k, char *out, size_t size)
{
	snprintf(out, size, "%s.new", k->s.key_file);
}

/* A rotation that ended between its commit and the file. */
static struct note_signer *
finish_rotation(struct keeper *k, const char *vkey)
{
	char file[4200];
	struct note_signer *s;
	struct err e;

	new_file(k, file, sizeof(file));
	s = log_signer_load(file, &e);
	if (s && is_key(s, vkey) && !log_signer_move(file, k->s.key_file, &e)) {
		log_info(NULL, "log-key-rotated", "vkey=%s", vkey);
		return s;
	}
	note_signer_free(s);
	return NULL;
}

/* Why there is no key, and what to do. */
static void
no_key(struct keeper *k, const char *why)
{
	set_signer(k, NULL);
	keeper_trouble(k, KEEPER_KEY, "no checkpoints are signed: %s", why);
}

static void
use_key(struct keeper *k, const struct log_key_row *last)
{
	struct err e = { 0 };
	struct note_signer *s = log_signer_load(k->s.key_file, &e);

	if (last && (!s || !is_key(s, last->vkey))) {
		struct note_signer *n = finish_rotation(k, last->vkey);

		if (!n && s)
			err_set(&e, 0, "%s holds another key than the log's, which is %s", k->s.key_file, last->vkey);
		note_signer_free(s);
		s = n;
	}
	if (!s) {
		no_key(k, e.text);
		return;
	}
	set_signer(k, s);
	k->unregistered = !last;
	keeper_trouble(k, KEEPER_KEY, NULL);
}

void
keeper_check_key(struct keeper *k)
{
	struct log_key_row *row;
	struct arena *a;
	size_t n;
	struct err e;

	if (k->key_checked || clock_mono_ms() < k->key_ms)
		return;
	k->key_ms = clock_mono_ms() + KEY_MS;
	a = arena_new(0);
	if (log_keys(k->db, a, &row, &n, &e) == SQL_OK)
		use_key(k, n ? &row[n - 1] : NULL);
	else
		keeper_trouble(k, KEEPER_DATABASE, "the log is behind the record: %s", e.text);
	arena_free(a);
}

/* The next one */

/* The hand-over, to be stored: signed by both keys, or by the new one where the old one is lost. */
static int
sign_handover(struct keeper *k, const struct log_key_row *last, bool lost, struct note_signer *to, struct handover *h, struct buf *note, struct err *e)
{
	*h = (struct handover){ .size = k->covered, .time = clock_wall_us() / 1000000, .lost = lost };
	if (note_key_parse(last->vkey, &h->from, e))
		return -1;
	return handover_sign(h, lost ? NULL : k->signer, to, note, e);
}

/* From here on `to` is the log's key, whatever happens to us. */
static int
commit_handover(struct keeper *k, const struct log_key_row *last, const struct handover *h, struct buf *note, char *vkey, struct err *e)
{
	struct log_key_row row = { .number = last->number + 1, .since = h->size, .at_us = h->time * 1000000, .vkey = vkey, .handover = buf_str(note),
		.lost = h->lost };

	return log_store_key(k->db, &row, e) == SQL_OK ? 0 : -1;
}

static int
rotate(struct keeper *k, const struct log_key_row *last, bool lost, char *vkey, struct err *e)
{
	char file[4200];
	struct note_key old;
	struct note_signer *to = NULL;
	struct handover h;
	struct buf note = { 0 };
	int rc = note_key_parse(last->vkey, &old, e);

	new_file(k, file, sizeof(file));
	if (!rc && !(to = note_signer_new(old.name, e)))
		rc = -1;
	if (!rc)
		(void)unlink(file); /* of one that was never committed: finish_rotation has looked */
	if (!rc)
		rc = sign_handover(k, last, lost, to, &h, &note, e);
	if (!rc)
		rc = log_signer_save(file, to, e);
	if (!rc) {
		note_key_text(note_signer_key(to), vkey);
		rc = commit_handover(k, last, &h, &note, vkey, e);
		/* Committed or not, if nobody knows: the file stays, and the database is asked. */
		if (rc && sql_is_connected(k->db))
			(void)unlink(file);
	}
	if (!rc)
		rc = log_signer_move(file, k->s.key_file, e);
	buf_fini(&note);
	if (rc) {
		note_signer_free(to);
		k->key_checked = false;
		k->key_ms = 0;
		return -1;
	}
	set_signer(k, to);
	return 0;
}

int
keeper_rotate(struct keeper *k, bool lost, char *vkey, size_t size, struct err *e)
{
	char text[NOTE_VKEY_MAX];
	struct arena *a = arena_new(0);
	struct log_key_row *row;
	size_t n;
	int rc = 0;

	if (!k->loaded)
		rc = err_set(e, 0, "the log is not kept at the moment: chancery archive status");
	else if (log_keys(k->db, a, &row, &n, e) != SQL_OK)
		rc = -1;
	else if (!n)
		rc = err_set(e, 0, "the log has no key yet: `chancery log key new` makes the first");
	else if (!lost && !k->signer)
		rc = err_set(e, 0, "the key that would hand over is not there; if it is lost, say so: --lost");
	else if (lost && k->signer)
		rc = err_set(e, 0, "the key is there, and can hand over: without --lost");
	else
		rc = rotate(k, &row[n - 1], lost, text, e);
	if (!rc) {
		snprintf(vkey, size, "%s", text);
		keeper_trouble(k, KEEPER_KEY, NULL);
		k->sink_ms = 1;
		log_info(NULL, "log-key-rotated", "vkey=%s lost=%d since=%" PRIu64, text, (int)lost, k->covered);
	}
	arena_free(a);
	return rc;
}
