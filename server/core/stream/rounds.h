/*
 * rounds: how many rounds of PBKDF2 the password of an account seems to have that does not exist.
 *
 * SCRAM tells them to whoever asks, before any proof. Passwords keep those that auth.scram_iterations said when they were set, so an
 * account that had the setting's of today would be told from those that are older. Names without an account have what accounts have, in the same
 * shares, and one name keeps its own: it changes once at most while passwords are set anew, as those of accounts do.
 */
#ifndef CORE_ROUNDS_H
#define CORE_ROUNDS_H

#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

/* On a worker, before keys are looked up: asks the database for the shares when that is some minutes ago. */
enum sql_status rounds_look(struct sql *db, struct err *e);
/* Any thread, behind it. `otherwise`: there is no account at all. */
uint32_t rounds_of_nobody(const char *bare, uint32_t otherwise);
/* The setting may have been changed: the next rounds_look asks. */
void rounds_forget(void);

#endif
