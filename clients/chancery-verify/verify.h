/*
 * verify: the checks of BUNDLE.md, one after the other, each told to the report. No server, no database, no network.
 *
 * Memory is bounded whatever the bundle is: names and the manifest are kept, all else is a stream.
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include "proof/bundle.h"
#include "proof/bundle_zip.h"
#include "proof/checkpoint.h"
#include "report.h"
#include "outside.h"

struct verify {
	struct report *report;
	struct bundle_zip *zip;
	const struct note_key *trusted;  /* NULL: none was given */
	struct outside *outside;         /* checkpoints from elsewhere; NULL: none were given */
	struct buf manifest_text;
	struct bundle_manifest manifest;
	uint8_t manifest_sha256[SHA256_SIZE];
	struct bundle_key_chain chain;
	struct note_key *keys;           /* of the chain, oldest first; the last is that of the bundle */
	size_t nkeys;
	uint64_t since;                  /* the log's size when the last of them got it */
	struct checkpoint checkpoint;
};

/* Checks an open bundle. All is in the report. */
void verify_run(struct verify *v);
/* Closes the bundle, too, and `outside`. */
void verify_fini(struct verify *v);

/* verify_key.c: proof/keys.json, and whether it leads to the key that is trusted. -1: there is no key to go on with. */
int verify_keys(struct verify *v);
/* verify_walk.c: records and nodes are the tree of the checkpoint. */
void verify_walk(struct verify *v);

/* All of a small member in `out`. -1: told in the report, as of `c`. */
int verify_read(struct verify *v, const char *name, size_t most, enum check c, struct buf *out);

#endif
