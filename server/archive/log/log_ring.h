/*
 * log_ring: committed leaves on their way from the archive writer to the keeper. The newest are kept; who reads too late finds
 * them in the record. The writer copies under a lock that is held for no more than that, and never waits.
 */
#ifndef ARCHIVE_LOG_RING_H
#define ARCHIVE_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proof/merkle.h"

#define LOG_RING 65536 /* leaves, 2 MiB */

/* From the writer's thread; see log_committed. True: the reader wants to be woken. */
bool log_ring_put(uint64_t first, const uint8_t (*leaf)[MERKLE_HASH], size_t n);
/* One more than the highest index that was put; 0: nothing was. */
uint64_t log_ring_end(void);
/* Copies leaves from `first` on, `max` at most; how many: 0 when that one is not (or no longer) here. */
size_t log_ring_get(uint64_t first, uint8_t (*out)[MERKLE_HASH], size_t max);
/* log_ring_put tells when there is an index of `end` or more. */
void log_ring_wake_at(uint64_t end);

#endif
