/*
 * config_parse: YAML events to a snapshot. libyaml does the scanning; what the events may say is the
 * table of settings and nothing else: one document, one mapping of sections, no anchors, no tags.
 */
#ifndef CORE_CONFIG_PARSE_H
#define CORE_CONFIG_PARSE_H

#include <stddef.h>

#include "base/err.h"
#include "core/config/config.h"

#define CONFIG_TEXT_MAX (1 << 20)
#define CONFIG_HOSTS_MAX 1000

/* Fills `c`, whose arena and file are set. 0 or -1 and `e` ("FILE:LINE:COLUMN: …"). */
int config_parse_into(struct config *c, const char *text, size_t n, struct err *e) MUST_CHECK;

#endif
