-- What a gateway's program keeps for somebody goes with their account, as registrations and passwords do (0048): whoever has the name next inherits nothing.

ALTER TABLE chancery.gateway_data ADD COLUMN jid text COLLATE "C"; -- bare; NULL: the program's own
UPDATE chancery.gateway_data SET jid = split_part(key, '/', 2) WHERE key LIKE 'seat/%';
CREATE INDEX gateway_data_jid ON chancery.gateway_data (jid) WHERE jid IS NOT NULL;

CREATE OR REPLACE FUNCTION chancery.gateway_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM chancery.gateway_user WHERE jid = OLD.bare;
	DELETE FROM chancery.gateway_credential WHERE jid = OLD.bare;
	DELETE FROM chancery.gateway_data WHERE jid = OLD.bare;
	RETURN NULL;
END $$;

-- Those of accounts that have gone already.
DELETE FROM chancery.gateway_data d WHERE d.jid IS NOT NULL AND NOT EXISTS (SELECT FROM chancery.account a WHERE a.bare = d.jid);
