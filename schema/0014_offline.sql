-- Messages that their recipient took out of what waits for them (XEP-0013). Nothing of the record changes by it.

CREATE TABLE chancery.offline_removed (
	record bigint PRIMARY KEY,                      -- of archive.record
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE
);
CREATE INDEX offline_removed_account ON chancery.offline_removed (account, record);

GRANT SELECT, INSERT, DELETE ON chancery.offline_removed TO chancery_server;
