/*
 * order: what room.h says of crossing and being alone; here what only the room's own memory needs.
 */
#ifndef MUC_ORDER_H
#define MUC_ORDER_H

#include "room.h"

/* The room goes; nobody waits in it any more. */
void room_order_fini(struct room *r);

#endif
