/*
 * read: a mail that came in, as what somebody says: text, files, who it is from and what speaks for that. MIME by GMime.
 *
 * Everything in it may be a stranger's trick: before GMime sees it, it is bounded in lines, heads and parts; what is nested deeper than it may is
 * refused. Nothing in it is unpacked: compressed files stay what they are and are scanned as every file is. One thread.
 */
#ifndef GATEWAY_MAIL_READ_H
#define GATEWAY_MAIL_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth_results.h"
#include "base/arena.h"
#include "bounce.h"

/* name, default, lowest, highest, help */
#define READ_LIMITS_TABLE(X) \
	X(head_fields, 500, 50, 100000, "Fields in the head of a mail") \
	X(head_bytes, 131072, 4096, 16777216, "The head of a mail") \
	X(lines, 1000000, 1000, 100000000, "Lines of a mail") \
	X(parts, 100, 1, 10000, "Parts of a mail (MIME), nested ones included") \
	X(depth, 10, 2, 100, "Parts within parts") \
	X(text_bytes, 32768, 1024, 1048576, "Text of a mail that is shown; of more, all of it is also offered as a file") \
	X(html_bytes, 524288, 1024, 16777216, "HTML that text is made of") \
	X(files, 20, 0, 1000, "Files of a mail that are offered") \
	X(hops, 50, 5, 1000, "Mail systems that a mail has passed (Received)")

struct read_limits {
#define READ_LIMITS_FIELD(name, def, min, max, help) uint64_t name;
	READ_LIMITS_TABLE(READ_LIMITS_FIELD)
#undef READ_LIMITS_FIELD
};

extern const struct read_limits read_limits_default;

enum read_automatic {
	AUTOMATIC_REFUSE,  /* what no person wrote is not taken */
	AUTOMATIC_ANSWERS, /* only when it answers a mail of ours */
	AUTOMATIC_SHOW,
};

struct read_rules {
	const char *domain;       /* ours, in the ids of what we send */
	const uint8_t *key;       /* of these ids */
	const char *authserv_id;  /* our mail system in Authentication-Results; NULL: it checks nothing */
	unsigned trusted_hops;    /* Received fields that our own mail systems add: a result below more of them is not believed */
	enum read_automatic automatic;
	bool keep_quotes;         /* do not cut what an answer quotes */
	struct read_limits limits;
};

struct read_file {
	const char *name, *type;
	const void *data;
	size_t n;
};

struct mail {
	struct arena *arena;     /* of all that is here */
	const char *from;        /* one clean address */
	const char *from_name;   /* "": none */
	const char *subject;     /* "": none */
	const char *id;          /* without brackets; made of the content where the mail has none */
	const char *answers;     /* the id of ours that it answers; NULL: none that is known */
	int64_t at_us;           /* when it says that it was written; 0: it does not, or that cannot be */
	bool automatic;          /* no person wrote it, as it says */
	const char *text;        /* what is said; "" when there are only files */
	unsigned quoted_lines;   /* that were cut */
	bool cut;                /* there was more text, or HTML, than is shown: all of it is among the files */
	struct read_file *files;
	size_t nfiles, nfiles_left; /* _left: that are not offered, as there were too many */
	struct auth_results auth;
	const struct bounce *bounce; /* it reports on a delivery: then there is no text, and no check was made of who sent it */
};

/* Once. For the life of the process. */
void read_setup(void);
/* `from`: of the envelope. NULL: it is in `out`, which mail_fini frees. Else a reply in static text, "554 5.6.0 …", and nothing to free. */
const char *mail_read(struct mail *out, const char *from, const char *data, size_t n, const struct read_rules *rules);
void mail_fini(struct mail *m);

#endif
