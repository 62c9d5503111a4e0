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
/*
 * The same for a process that nobody waits for, whatever runs beside it: it gets a session of its own (if it leads no process group), and that session the nice
 * value. Linux shares processors out among sessions first (autogroups), so that what is nice within ours still takes
 * as much as PostgreSQL, each of whose backends is a session. nice: 0 to 19. Async-signal-safe. May take a second.
 */
void turns_apart(int nice);

#endif
