/*
 * approval: what waits for a second person (compliance.four_eyes).
 *
 * A verb with ACCESS_FOUR_EYES is not run when it is asked for: who asks, what for, word for word, and the hash of that are kept in
 * compliance.approval, and the answer is {"approval":ID,"state":"waiting",…}. Another person, of a role that may use the verb, approves or denies it.
 * Approving runs it as the one who asked (the same role of person and database), with the same arguments, at most once: the row says `running` and is
 * committed before it begins, and what a crash leaves so is never begun again. Every step is in the audit trail, refused ones too.
 *
 * Two persons are two when neither the person of the token, nor the account of the operating system, nor the bare JID is the same. Where one of them
 * has no token, that has to be seen: the account of the operating system, or the bare JID, is known of both (person add --uid, --account) and differs.
 */
#ifndef ADMIN_APPROVAL_H
#define ADMIN_APPROVAL_H

#include "admin/request/request.h"
#include "core/config/config.h"

/* Tells the database what compliance.four_eyes says: its triggers are the second line (schema 0040). */
int approval_tell_policy(struct sql *db, const struct config *c, struct err *e) MUST_CHECK;
/* Does this call have to wait? */
bool approval_is_needed(const struct request *r, const struct request_verb *v);
/* Keeps it, and answers so. 0 or -1 with err. */
int approval_ask(struct request *r, const struct request_verb *v);

#endif
