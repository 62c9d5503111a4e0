/*
 * turns: how long a thread keeps a processor before others may have it. Who wakes up takes it at once from a thread that asked for longer
 * turns than its own (EEVDF, Linux 6.12 and later), whatever their weights; else it waits for the end of the turn, some milliseconds.
 * So what people wait for takes short turns, and what nobody waits for takes long ones. A wish: older kernels read over it.
 */
#ifndef BASE_TURNS_H
#define BASE_TURNS_H

/* Of the calling thread, whose nice value stays. Async-signal-safe. */
void turns_short(void);
/* With this nice value; a higher one than before needs no right. */
void turns_long(int nice);

#endif
