/*
 * upload_store: slots, what their owner sees of them, and who was sent an address. On workers. (What is put and fetched is store/upload.h's.)
 */
#ifndef UPLOAD_STORE_H
#define UPLOAD_STORE_H

#include "store/upload.h"

struct upload_slot {
	const char *account, *owner;                       /* whose quota it is; who uploads: the same, or somebody at a network of a gateway's */
	const char *domain, *groups, *name, *type;         /* domain: the account's; groups: the owner's; type NULL: not said */
	uint64_t size, seconds;                            /* the slot's */
	int64_t expire_before_us;                          /* 0: as files.keep says */
	char put[UPLOAD_TOKEN + 1], token[UPLOAD_TOKEN + 1];
	uint64_t most, quota;
	/* Out */
	enum { UPLOAD_MADE, UPLOAD_NO_ACCOUNT, UPLOAD_TOO_MANY, UPLOAD_OVER_QUOTA } outcome;
	int64_t retry_us;                                  /* the last two: when there will be room; 0: never by itself */
};
enum sql_status upload_store_slot(struct sql *db, struct arena *a, void *slot, struct err *e);

/* What an account has uploaded and not deleted, the newest first. */
struct upload_list {
	int64_t account;
	unsigned most;
	struct upload_listed {
		int64_t id, kept_us;
		const char *name;
		uint64_t size;
	} *item;
	unsigned n;
};
enum sql_status upload_store_list(struct sql *db, struct arena *a, void *list, struct err *e);

/* Its owner deletes these: nobody can fetch them any more. */
struct upload_hiding {
	int64_t account;
	const char *ids;   /* "{1,2,3}" */
	unsigned done;     /* out */
};
enum sql_status upload_store_hide(struct sql *db, struct arena *a, void *hiding, struct err *e);

/* Addresses of ours in one stanza, by their tokens. */
#define UPLOAD_LINKS_MAX 8
struct upload_links {
	char token[UPLOAD_LINKS_MAX][UPLOAD_TOKEN + 1];
	bool plain[UPLOAD_LINKS_MAX], encrypted[UPLOAD_LINKS_MAX]; /* what is said that it leads to; both, perhaps */
	unsigned n;
	bool more; /* there are others, too */
};

/* What is behind addresses of ours. */
struct upload_behind {
	struct upload_links links;
	/* Out: of each */
	struct {
		enum upload_state state; /* 0: nothing, or nothing any more */
		uint64_t size;
		const char *name, *type; /* true type; "" */
	} file[UPLOAD_LINKS_MAX];
};
enum sql_status upload_store_behind(struct sql *db, struct arena *a, void *behind, struct err *e);

/* A message with addresses of ours has left. */
struct upload_sent {
	struct upload_links links;
	const char *from, *to;
	uint64_t record_id;
};
enum sql_status upload_store_sent(struct sql *db, struct arena *a, void *sent, struct err *e);

#endif
