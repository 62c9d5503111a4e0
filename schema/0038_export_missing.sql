-- Log indexes within what an export was asked for that the database has no record of any more (server/export/missing.c).
ALTER TABLE compliance.export ADD COLUMN missing bigint NOT NULL DEFAULT 0;
GRANT UPDATE (missing) ON compliance.export TO chancery_server;
