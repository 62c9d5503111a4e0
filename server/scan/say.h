/*
 * say: a line on stderr, which chanceryd puts into its log.
 */
#ifndef SCAN_SAY_H
#define SCAN_SAY_H

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
