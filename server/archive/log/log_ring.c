/*
 * log_ring: leaf i is at i modulo the size of the ring (see log_ring.h).
 */
#include "archive/log/log_ring.h"

#include <pthread.h>
#include <string.h>

static struct {
	pthread_mutex_t lock;
	uint64_t start, end; /* what is here */
	uint64_t wake_at;
	uint8_t leaf[LOG_RING][MERKLE_HASH];
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool
log_ring_put(uint64_t first, const uint8_t (*leaf)[MERKLE_HASH], size_t n)
{
	bool wake;

	if (n > LOG_RING) {
		first += n - LOG_RING;
		leaf += n - LOG_RING;
		n = LOG_RING;
	}
	pthread_mutex_lock(&ring.lock);
	/* Another server has written meanwhile, or the database went back: what is here does not go on. */
	if (first != ring.end)
		ring.start = first;
	for (size_t done = 0; done < n;) {
		size_t at = (first + done) % LOG_RING, piece = LOG_RING - at < n - done ? LOG_RING - at : n - done;

		memcpy(ring.leaf[at], leaf[done], piece * MERKLE_HASH);
		done += piece;
	}
	ring.end = first + n;
	if (ring.end - ring.start > LOG_RING)
		ring.start = ring.end - LOG_RING;
	wake = ring.wake_at && ring.end >= ring.wake_at;
	if (wake)
		ring.wake_at = 0;
	pthread_mutex_unlock(&ring.lock);
	return wake;
}

uint64_t
log_ring_end(void)
{
	uint64_t end;

	pthread_mutex_lock(&ring.lock);
	end = ring.end;
	pthread_mutex_unlock(&ring.lock);
	return end;
}

size_t
log_ring_get(uint64_t first, uint8_t (*out)[MERKLE_HASH], size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&ring.lock);
	if (first >= ring.start)
		for (; n < max && first + n < ring.end; n++)
			memcpy(out[n], ring.leaf[(first + n) % LOG_RING], MERKLE_HASH);
	pthread_mutex_unlock(&ring.lock);
	return n;
}

void
log_ring_wake_at(uint64_t end)
{
	pthread_mutex_lock(&ring.lock);
	ring.wake_at = end;
	pthread_mutex_unlock(&ring.lock);
}
