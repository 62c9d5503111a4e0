/*
 * job_priv: a job under way, for job.c (the order of things), select.c (the selection), files.c (contents), and proof.c (what proves it).
 */
#ifndef EXPORT_JOB_PRIV_H
#define EXPORT_JOB_PRIV_H

#include <jansson.h>

#include "archive/log/log.h"
#include "archive/search/search.h"
#include "export/format.h"
#include "export/source.h"
#include "store/sql.h"

#define JOB_FORMATS 16

struct job {
	const json_t *what;         /* the order, the caller's */
	struct arena *arena;
	struct export_info info;
	struct search_query query;
	const char **hosts;
	size_t nhosts;
	const struct export_format *format[JOB_FORMATS];
	size_t nformats;
	const char *checkpoint, *vault;
	const json_t *keys;
	uint64_t limit_records;
	int64_t until_ms;           /* monotonic; 0: no such moment */
	int dir;
	struct sql *db, *ahead;     /* the second reads pages (source_ahead.h) */
	struct log_reader *log;
	struct export_source *source;
	struct bundle_out *out;
	struct arena *turn;
	struct export_context context;
	/* For progress. */
	const char *stage;
	uint64_t done;
	int64_t told_ms;
	bool again;                 /* the connection was lost: another run may go on */
	bool failed;                /* to tell: nobody is there */
	struct err why;
};

/* Called now and then: tells how far it is, and finds out that it has taken too long, or that nobody waits for it. */
int job_progress(struct job *j, struct err *e) MUST_CHECK;

/* select.c: the file `selection`, when it is not there yet. */
int job_select(struct job *j, struct err *e) MUST_CHECK;
/* files.c: files/…, each content once. */
int job_put_files(struct job *j, struct err *e) MUST_CHECK;
/* What is in the zip already, after a resumption. */
void job_note_files(struct job *j);
/* missing.c: missing.jsonl, when something is. */
int job_put_missing(struct job *j, struct err *e) MUST_CHECK;
/* proof.c: proof/…; and at last the manifest with its signature. */
int job_put_proof(struct job *j, struct err *e) MUST_CHECK;
int job_put_manifest(struct job *j, uint64_t erased, struct err *e) MUST_CHECK;

#endif
