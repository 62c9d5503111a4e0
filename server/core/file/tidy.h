/*
 * tidy: what a crash has left in the vault without a row in the database goes, a day later. On home 0; part of aftercare.
 */
#ifndef CORE_TIDY_H
#define CORE_TIDY_H

void tidy_home_start(void);
void tidy_home_stop(void);

#endif
