/*
 * component_words: how commands name components and gateways, which are components: names of a shape, and domains that nobody else has.
 */
#ifndef ADMIN_COMPONENT_WORDS_H
#define ADMIN_COMPONENT_WORDS_H

#include "base/err.h"

#define COMPONENT_WORDS_DOMAIN 1024

int component_words_name(const char *name, struct err *e) MUST_CHECK;
/* `domain`: as it is kept. -1 with err, also for domains of this server and of the settings. */
int component_words_domain(const char *text, char domain[COMPONENT_WORDS_DOMAIN], struct err *e) MUST_CHECK;

#endif
