-- Exports: what was asked for, by whom, and what became of it. Rows stay when the bundle has gone; who asked for what is never changed.

CREATE TABLE compliance.export (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	asked_at timestamptz NOT NULL DEFAULT now(),
	asked_by text NOT NULL,
	person bigint REFERENCES compliance.person (id), -- who asked; NULL: nobody who is known here any more
	approval bigint REFERENCES compliance.approval (id), -- by which it runs; NULL: none was needed
	approved_by text,
	reason text,
	query jsonb NOT NULL,           -- server/archive/query.h
	query_text text NOT NULL,       -- the same in words
	formats text[] NOT NULL,
	csv_bom boolean NOT NULL DEFAULT false,
	state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6), -- enum export_state (server/admin/exports.h)
	-- The tree that it is proved against, from when it first ran: what is recorded later is not in it.
	size bigint,
	checkpoint text,
	started_at timestamptz,
	attempts smallint NOT NULL DEFAULT 0,
	stage text NOT NULL DEFAULT '',
	done bigint NOT NULL DEFAULT 0, -- records, in this stage
	records bigint NOT NULL DEFAULT 0,
	altered bigint NOT NULL DEFAULT 0, -- records that do not have their leaf any more
	bytes bigint NOT NULL DEFAULT 0,
	manifest bytea CHECK (octet_length(manifest) = 32), -- SHA-256
	finished_at timestamptz,
	expires_at timestamptz,         -- when the bundle goes
	error text,
	fetched int NOT NULL DEFAULT 0
);
CREATE INDEX export_open ON compliance.export (id) WHERE state IN (1, 2, 3);

GRANT SELECT, UPDATE (state, size, checkpoint, started_at, attempts, stage, done, records, altered, bytes, manifest, finished_at, expires_at,
	error, fetched) ON compliance.export TO chancery_server;
GRANT SELECT, INSERT (asked_by, person, approval, approved_by, reason, query, query_text, formats, csv_bom), UPDATE (state, finished_at, fetched)
	ON compliance.export TO chancery_officer, chancery_retention;

-- What is over is over: only a finished bundle can still go.
CREATE FUNCTION compliance.export_final() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: this export is over' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION compliance.export_final() FROM PUBLIC;
CREATE TRIGGER export_final BEFORE UPDATE OF state ON compliance.export FOR EACH ROW
	WHEN (OLD.state >= 4 AND NEW.state <> OLD.state OR OLD.state = 3 AND NEW.state NOT IN (3, 6))
	EXECUTE FUNCTION compliance.export_final();

-- What an export shows besides the record: files by their records, and names.
CREATE INDEX file_event_record ON chancery.file_event (record) WHERE record IS NOT NULL;
GRANT SELECT ON chancery.file, chancery.file_event, chancery.vcard TO chancery_officer;
GRANT SELECT (id, bare) ON chancery.account TO chancery_officer;
