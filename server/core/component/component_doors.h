/*
 * component_doors: where components connect: listen.components and listen.components_tls. Open from the first component on: at start, or when an
 * administrator adds one.
 */
#ifndef CORE_COMPONENT_DOORS_H
#define CORE_COMPONENT_DOORS_H

#include "base/err.h"
#include "core/config/config.h"

/* Binds, once, when there are components. Any thread but a reactor. */
int component_doors_open(const struct config *c, struct err *e) MUST_CHECK;
/* Lets them in, when bound; the reactors run. */
void component_doors_run(void);
void component_doors_close(void);

#endif
