-- Programs that make exports and end without a word are counted for themselves: who has lost the connection to PostgreSQL often, and crashes once, is
-- begun again.
ALTER TABLE compliance.export ADD COLUMN crashes smallint NOT NULL DEFAULT 0;
GRANT UPDATE (crashes) ON compliance.export TO chancery_server;
