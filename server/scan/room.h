/*
 * room: where there is more than one processor, one is left to people's messages while something takes long. A short file is looked into
 * wherever there is room for it; behind so much time of a processor the rest of it is done on the others only. Of the process; one thread.
 */
#ifndef SCAN_ROOM_H
#define SCAN_ROOM_H

/* Before the sandbox. What it finds is meant by "all" below, for forked processes too. */
void room_init(void);
/* From now on, until room_take_all. */
void room_leave_one(void);
/* From when this process has used 20 ms of a processor more. */
void room_leave_one_soon(void);
/* All again, now; nothing follows. */
void room_take_all(void);

#endif
