/*
 * avatar_store: the vCards of rooms. On workers.
 */
#ifndef MUC_AVATAR_STORE_H
#define MUC_AVATAR_STORE_H

#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

struct avatar_row {
	int64_t room;
	const char *vcard;  /* <vCard/>; NULL: there is none */
	const char *photos; /* SHA-1 each, a line each */
};

/* `data` is a struct avatar_row. */
enum sql_status avatar_store_get(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status avatar_store_set(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
