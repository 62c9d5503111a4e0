/*
 * gateway_stats: what the programs of gateways say of themselves: counters since they began, and levels, for `chancery gateway show` and /metrics.
 * Kept in memory, as long as the gateway is there; bounded. Any thread.
 */
#ifndef CORE_GATEWAY_STATS_H
#define CORE_GATEWAY_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

#define GATEWAY_STATS_MAX 48  /* counters and levels of one */
#define GATEWAY_STAT_NAME 41

struct gateway_stat {
	char name[GATEWAY_STAT_NAME]; /* [a-z_] */
	bool counter;                 /* false: a level */
	int64_t value;
};

bool gateway_stat_is_name(const char *name);
/* In place of those before; n at most GATEWAY_STATS_MAX. */
void gateway_stats_set(const char *gateway, const struct gateway_stat *s, unsigned n);
/* Those of a gateway that were said last, and when (wall clock; 0: never). Returns how many. */
unsigned gateway_stats_get(const char *gateway, struct gateway_stat out[GATEWAY_STATS_MAX], int64_t *at_us);
/* In the format of Prometheus: chancery_gateway_NAME{network="…"}. */
void gateway_stats_print(struct buf *out);
/* Those of gateways that are no more are forgotten. */
void gateway_stats_review(void);
void gateway_stats_forget(void);

#endif
