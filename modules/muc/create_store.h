/*
 * create_store: how many rooms somebody has made. On workers.
 */
#ifndef MUC_CREATE_STORE_H
#define MUC_CREATE_STORE_H

#include "room_store.h"

struct create_rooms {
	const char *creator;   /* bare address */
	uint64_t all, lately;  /* out: that there are; of these, made in the last minute */
};
/* `data` begins with a struct create_rooms. */
enum sql_status create_store_count(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
