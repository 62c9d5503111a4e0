/*
 * log_stamper: the thread that has the newest checkpoint stamped with the time, each log.timestamp_every (log_stamp.h). It goes at an authority's
 * pace; checkpoints do not wait for it. The keeper's.
 */
#ifndef ARCHIVE_LOG_STAMPER_H
#define ARCHIVE_LOG_STAMPER_H

#include "base/err.h"

int log_stamper_start(const char *conninfo, struct err *e) MUST_CHECK;
/* Gives up what is under way. */
void log_stamper_stop(void);
/* There is a new checkpoint. From any thread. */
void log_stamper_wake(void);
/* There are other settings. The same. */
void log_stamper_configure(void);

#endif
