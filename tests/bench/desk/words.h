/*
 * words: what people say: sentences of English and French words, the common ones as common as they are (Zipf).
 */
#ifndef BENCH_DESK_WORDS_H
#define BENCH_DESK_WORDS_H

#include "base/buf.h"
#include "chance.h"

struct words;
struct words *words_new(void);
void words_free(struct words *w);
/* A message in one of the languages, without anything that XML would have to escape. */
void words_say(struct words *w, struct chance *c, struct buf *out);

#endif
