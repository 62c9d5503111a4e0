/*
 * log_keeper_state: what the keeper says of itself: what is wrong, how far it is, and each checkpoint to who listens.
 */
#include "archive/log/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/log/log_keeper.h"
#include "archive/log/log_stamper.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#define LISTENERS 4

static struct { log_listener_fn fn; void *arg; } listener[LISTENERS];

/* Troubles */

static const char *
trouble_name(enum keeper_trouble what)
{
	static const char *const name[] = { [KEEPER_BROKEN] = "record", [KEEPER_DATABASE] = "database", [KEEPER_KEY] = "key", [KEEPER_FILE] = "file",
		[KEEPER_STAMP] = "time-stamp", [KEEPER_FINDINGS] = "findings", [KEEPER_NOTE] = "note", [KEEPER_OUTSIDE] = "outside" };

	return name[what];
}

static unsigned
troubles(struct keeper *k)
{
	unsigned n = 0;

	pthread_mutex_lock(&k->lock);
	for (int i = 0; i < KEEPER_TROUBLES; i++)
		n += k->trouble[i][0] != '\0';
	pthread_mutex_unlock(&k->lock);
	return n;
}

void
keeper_trouble(struct keeper *k, enum keeper_trouble what, const char *fmt, ...)
{
	char text[sizeof(k->trouble[0])] = "";
	va_list ap;
	bool changed;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_lock(&k->lock);
	changed = strcmp(k->trouble[what], text) != 0;
	memcpy(k->trouble[what], text, sizeof(text));
	pthread_mutex_unlock(&k->lock);
	if (changed && fmt)
		log_error(NULL, "log-trouble", "why=%s", text);
	else if (changed)
		log_info(NULL, "log-trouble-over", "of=%s", trouble_name(what));
	if (changed)
		metric_set(METRIC_LOG_TROUBLES, (int64_t)troubles(k));
}

/* Checkpoints */

void
keeper_tell(struct keeper *k, const struct log_checkpoint *c)
{
	k->covered = c->size;
	k->covered_us = c->at_us;
	k->covered_ms = clock_mono_ms();
	k->uncovered_ms = 0;
	metric_add(METRIC_LOG_CHECKPOINTS, 1);
	log_stamper_wake();
	for (int i = 0; i < LISTENERS && listener[i].fn; i++)
		listener[i].fn(listener[i].arg, c->size, c->note);
}

void
log_listen(log_listener_fn fn, void *arg)
{
	for (int i = 0; i < LISTENERS; i++)
		if (!listener[i].fn) {
			listener[i].fn = fn;
			listener[i].arg = arg;
			return;
		}
	abort(); /* make room for it */
}

/* How it is */

void
keeper_publish(struct keeper *k)
{
	uint64_t end = log_ring_end();

	pthread_mutex_lock(&k->lock);
	k->state.records = end > k->records ? end : k->records;
	k->state.size = k->covered;
	k->state.at_us = k->covered_us;
	k->state.has_key = k->signer != NULL;
	k->state.vkey[0] = '\0';
	if (k->signer) {
		char text[NOTE_VKEY_MAX];

		note_key_text(note_signer_key(k->signer), text);
		snprintf(k->state.vkey, sizeof(k->state.vkey), "%s", text);
	}
	metric_set(METRIC_LOG_SIZE, (int64_t)k->covered);
	metric_set(METRIC_LOG_LAG, (int64_t)(k->state.records - k->covered));
	pthread_mutex_unlock(&k->lock);
}

void
keeper_verified(uint64_t size, uint64_t findings, const char *first)
{
	struct keeper *k = &log_keeper;

	pthread_mutex_lock(&k->lock);
	if (!findings)
		k->state.verified = size;
	k->state.verified_us = clock_wall_us();
	k->state.findings = findings;
	pthread_mutex_unlock(&k->lock);
	if (findings)
		keeper_trouble(k, KEEPER_FINDINGS, "the record is not what was recorded, %" PRIu64 " findings (chancery archive verify): %s", findings, first);
	else
		keeper_trouble(k, KEEPER_FINDINGS, NULL);
}

uint64_t
keeper_verify_every(void)
{
	uint64_t every;

	pthread_mutex_lock(&log_keeper.lock);
	every = log_keeper.next.verify_every_ms;
	pthread_mutex_unlock(&log_keeper.lock);
	return every;
}

char *
keeper_timestamp(uint64_t *every_ms)
{
	char *url;

	pthread_mutex_lock(&log_keeper.lock);
	url = mem_strdup(log_keeper.next.timestamp_url);
	*every_ms = log_keeper.next.timestamp_every_ms;
	pthread_mutex_unlock(&log_keeper.lock);
	return url;
}

char *
keeper_checkpoint_file(void)
{
	char *file;

	pthread_mutex_lock(&log_keeper.lock);
	file = mem_strdup(log_keeper.next.checkpoint_file);
	pthread_mutex_unlock(&log_keeper.lock);
	return file;
}

void
log_state(struct log_state *out)
{
	struct keeper *k = &log_keeper;
	size_t n = 0;

	pthread_mutex_lock(&k->lock);
	*out = k->state;
	out->trouble[0] = '\0';
	for (int i = 0; i < KEEPER_TROUBLES; i++)
		if (k->trouble[i][0] && n < sizeof(out->trouble))
			n += (size_t)snprintf(out->trouble + n, sizeof(out->trouble) - n, "%s%s", n ? "; " : "", k->trouble[i]);
	pthread_mutex_unlock(&k->lock);
	if (log_ring_end() > out->records)
		out->records = log_ring_end();
}
