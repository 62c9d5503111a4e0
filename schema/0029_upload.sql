-- Uploads (XEP-0363): slots, and what became of them. What the content is, and who had it, is with the content (0028).

-- Addresses are known by their hashes, so the database alone fetches nothing.
CREATE TABLE chancery.upload (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	put bytea NOT NULL UNIQUE,                      -- SHA-256 of the token that the file is put by
	token bytea NOT NULL UNIQUE,                    -- of the one that it is fetched by
	account bigint REFERENCES chancery.account (id) ON DELETE SET NULL,
	owner text COLLATE "C" NOT NULL,                -- bare JID, as it was
	groups text NOT NULL,                           -- of the organisation that the owner was in, a line each
	domain text COLLATE "C" NOT NULL,               -- of the owner
	name text NOT NULL,                             -- cleaned: as it stands in the address
	type text,                                      -- declared
	size bigint NOT NULL CHECK (size > 0),
	state smallint NOT NULL DEFAULT 1,              -- enum upload_state: 1 open, 2 kept, 3 refused, 4 over, 5 held back
	made_at timestamptz NOT NULL DEFAULT now(),
	until timestamptz NOT NULL,                     -- the PUT ends before
	expire_before timestamptz,                      -- as its owner asked (ephemeral)
	sha256 bytea,
	event bigint,                                   -- chancery.file_event of the upload
	record bigint,                                  -- archive.record of it
	kept_at timestamptz,
	expires_at timestamptz,                         -- NULL: for ever
	hidden_at timestamptz,                          -- its owner has deleted it
	fetched int NOT NULL DEFAULT 0,
	fetched_at timestamptz,
	CHECK (state NOT IN (2, 4, 5) OR sha256 IS NOT NULL)
) WITH (fillfactor = 80);

-- What counts against an account's quota.
CREATE INDEX upload_account ON chancery.upload (account) WHERE state IN (1, 2);
CREATE INDEX upload_content ON chancery.upload (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX upload_expires ON chancery.upload (expires_at) WHERE state = 2;
CREATE INDEX upload_open ON chancery.upload (until) WHERE state = 1;

GRANT SELECT, INSERT, DELETE ON chancery.upload TO chancery_server;
GRANT UPDATE (state, type, sha256, event, record, kept_at, expires_at, hidden_at, fetched, fetched_at) ON chancery.upload TO chancery_server;

-- A slot that nothing was put into may be forgotten; what was put is history, for the server's role too.
CREATE FUNCTION chancery.upload_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: an upload is part of the history' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION chancery.upload_stays() FROM PUBLIC;

CREATE TRIGGER upload_stays BEFORE DELETE ON chancery.upload FOR EACH ROW
	WHEN (OLD.state <> 1) EXECUTE FUNCTION chancery.upload_stays();
CREATE TRIGGER upload_final BEFORE UPDATE OF state, sha256 ON chancery.upload FOR EACH ROW
	WHEN (OLD.state IN (3, 4) OR (OLD.state = 2 AND NEW.state <> 4) OR (OLD.state = 5 AND NEW.state <> 2)
		OR (OLD.state <> 1 AND NEW.sha256 IS DISTINCT FROM OLD.sha256)) EXECUTE FUNCTION chancery.upload_stays();
