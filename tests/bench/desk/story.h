/*
 * story: who said what to whom, record by record: people with their contacts and rooms, some of whom say more than others; messages, what
 * is done to them afterwards, who comes into rooms and leaves them, and people elsewhere.
 */
#ifndef BENCH_DESK_STORY_H
#define BENCH_DESK_STORY_H

#include "store/leaf.h"

struct story;
struct story *story_new(const char *domain, uint32_t people, uint32_t rooms);
void story_free(struct story *s);
/* The next record, but for its id, index and time, which are given. What `r` points to lives until the next call. */
void story_tell(struct story *s, uint64_t id, uint64_t index, struct leaf_record *r);

#endif
