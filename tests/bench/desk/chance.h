/*
 * chance: numbers that look random and are the same in each run, and draws by weight.
 */
#ifndef BENCH_DESK_CHANCE_H
#define BENCH_DESK_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* SplitMix64. */
static inline uint64_t
chance_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

struct chance {
	uint64_t state;
};

static inline uint64_t
chance_next(struct chance *c)
{
	return chance_mix(c->state++);
}

/* 0 to n - 1. */
static inline uint32_t
chance_below(struct chance *c, uint32_t n)
{
	return (uint32_t)(((chance_next(c) >> 32) * n) >> 32);
}

/* Draws of one of n by their weights, each in the same time (Walker's alias method). */
struct chance_table {
	uint32_t n;
	double *stay;
	uint32_t *other;
};

/* weight[i] = 1 / (i + shift): Zipf's law, as Mandelbrot has it. */
void chance_zipf(struct chance_table *t, uint32_t n, double shift);
void chance_fini(struct chance_table *t);
uint32_t chance_draw(struct chance *c, const struct chance_table *t);

#endif
