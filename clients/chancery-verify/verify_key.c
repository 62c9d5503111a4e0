/*
 * verify_key: the key of the bundle, and the way to it from the one that is trusted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "verify.h"

/* The chain's keys, oldest first, into v->keys. *unbroken: the first of those at its end that hand over to each other by both signatures. */
static int
read_chain(struct verify *v, size_t *unbroken)
{
	struct bundle_key_chain *c = &v->chain;
	struct note_key last;
	struct handover h;
	struct err e;

	if (note_key_parse(c->vkey, &last, &e) != 0) {
		report_found(v->report, CHECK_KEY, BUNDLE_KEYS ": %s", e.text);
		return -1;
	}
	v->keys = mem_zalloc((c->n + 1) * sizeof(*v->keys));
	for (size_t i = 0; i < c->n; i++) {
		if (handover_open(c->handover[i], strlen(c->handover[i]), &h, &e) != 0) {
			report_found(v->report, CHECK_KEY, BUNDLE_KEYS ": hand-over %zu: %s", i + 1, e.text);
			return -1;
		}
		if ((i && !note_key_equal(&h.from, &v->keys[i])) || h.size < v->since) {
			report_found(v->report, CHECK_KEY, BUNDLE_KEYS ": hand-over %zu does not follow the one before", i + 1);
			return -1;
		}
		v->keys[i] = h.from;
		v->keys[i + 1] = h.to;
		v->since = h.size;
		if (h.lost)
			*unbroken = i + 1;
	}
	if (c->n && !note_key_equal(&last, &v->keys[c->n])) {
		report_found(v->report, CHECK_KEY, BUNDLE_KEYS ": the last hand-over is not to its key");
		return -1;
	}
	v->keys[c->n] = last;
	return 0;
}

static void
check_trust(struct verify *v, size_t unbroken)
{
	char vkey[NOTE_VKEY_MAX], own[NOTE_VKEY_MAX];
	size_t i = v->nkeys;

	note_key_text(&v->keys[v->nkeys - 1], own);
	v->report->key = mem_strdup(own);
	if (!v->trusted) {
		report_right(v->report, CHECK_KEY, "is NOT CHECKED: no --key was given, the bundle's own is used");
		return;
	}
	while (i > 0 && !note_key_equal(&v->keys[i - 1], v->trusted))
		i--;
	note_key_text(v->trusted, vkey);
	if (!i) {
		report_found(v->report, CHECK_KEY, "the bundle is signed by another key than %s: by %s", vkey, own);
		return;
	}
	if (i - 1 < unbroken) {
		report_found(v->report, CHECK_KEY, "the key given was lost, and could not hand over to the one that has signed: %s. Ask the log's owner", own);
		return;
	}
	v->report->trusted = true;
	if (i == v->nkeys)
		report_right(v->report, CHECK_KEY, "is the one that was given");
	else
		report_right(v->report, CHECK_KEY, "has the log from the one that was given, by %zu signed hand-over%s: %s", v->nkeys - i, v->nkeys - i == 1 ? "" : "s", own);
}

int
verify_keys(struct verify *v)
{
	struct buf text = { 0 };
	size_t unbroken = 0;
	struct err e;
	int rc = verify_read(v, BUNDLE_KEYS, BUNDLE_KEYS_MAX, CHECK_KEY, &text);

	if (!rc && bundle_keys_parse(buf_data(&text), buf_len(&text), &v->chain, &e) != 0) {
		report_found(v->report, CHECK_KEY, BUNDLE_KEYS ": %s", e.text);
		rc = -1;
	}
	buf_fini(&text);
	if (rc || read_chain(v, &unbroken) != 0)
		return -1;
	v->nkeys = v->chain.n + 1;
	check_trust(v, unbroken);
	return 0;
}
