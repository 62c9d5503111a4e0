/*
 * aftercare: what happens to files after they have passed.
 *
 * When signatures change, what is kept is scanned again, one by one, as fast as limits.rescans_per_minute lets it and others do not wait.
 * Which signatures a content has been scanned with is in its row, so this goes on after a restart where it was. A new hit: the record says so,
 * whoever sent, was sent or fetched it is told, the content is withdrawn into the quarantine, and the alarm is raised (log, metric).
 *
 * Once a day the folders of the vault are compared with the database: what a crash has left there without a row goes.
 */
#ifndef CORE_AFTERCARE_H
#define CORE_AFTERCARE_H

#include <stdint.h>

#include "base/crypt.h"

/* Before scanner_start. */
void aftercare_prepare(void);
/* On home 0, with the reactors' start and stop. */
void aftercare_home_start(void);
void aftercare_home_stop(void);
/* A content that was kept has turned out to be infected: tells people and raises the alarm. From any reactor. */
void aftercare_withdrawn(const uint8_t sha256[SHA256_SIZE], const char *found);

#endif
