/*
 * import: many accounts at once, for `user import`.
 *
 * A request carries up to IMPORT_BATCH accounts, {"accounts":[{"line":7,"jid":…,"password":…}]}; whoever has
 * more sends more requests. The keys of a batch are made by as many threads as there are cores, then all
 * are stored in one transaction. Those that exist already are left alone.
 * Rows: one for each line that was refused, then {"added":n,"existing":n,"refused":n}.
 */
#ifndef ADMIN_IMPORT_H
#define ADMIN_IMPORT_H

#define IMPORT_BATCH 1000

struct request;

int import_accounts(struct request *r);

#endif
