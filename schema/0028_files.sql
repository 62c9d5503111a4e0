-- Files: contents by their hash, every transfer of one, and releases from the quarantine (server/store/file_store.h). The record
-- (archive.record, kinds 22 and 23) is the evidence; this is where it is found again, and what tells whether a content has to be scanned.

CREATE TABLE chancery.file (
	sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
	size bigint NOT NULL CHECK (size >= 0),
	type text NOT NULL DEFAULT '',                  -- true media type
	state smallint NOT NULL CHECK (state BETWEEN 1 AND 5), -- enum file_state
	found text NOT NULL DEFAULT '',                 -- signature, or why it cannot be scanned
	scanned_at timestamptz NOT NULL,
	signatures_at timestamptz NOT NULL,             -- when the newest signatures of that scan were made; 1970: not known
	signatures_n bigint NOT NULL DEFAULT 0,         -- and how many there were
	signatures_set bigint NOT NULL DEFAULT 0,       -- and which: other files, another number
	kept boolean NOT NULL,                          -- its content is in the vault
	quarantined boolean NOT NULL,                   -- its content is in the quarantine
	first_at timestamptz NOT NULL DEFAULT now(),
	seen_at timestamptz NOT NULL DEFAULT now()      -- it was last judged: what is fresh is not taken for unused
);
-- What is to be scanned again when signatures have changed, longest ago first.
CREATE INDEX file_scanned ON chancery.file (scanned_at) WHERE kept;
CREATE INDEX file_quarantined ON chancery.file (scanned_at) WHERE quarantined;

-- One row for each transfer, refusal, download, release…; it only grows, and its time and number are the database's to give.
CREATE TABLE chancery.file_event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	path text COLLATE "C" NOT NULL,                 -- "upload", "ibb", …: it was judged; "link": its address was sent; "download"; "rescan"; "quarantine"
	sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
	from_bare text COLLATE "C" NOT NULL,            -- who sent it; of a download, who has fetched it, as far as that is known
	to_bare text COLLATE "C",
	name text,                                      -- as its sender calls it
	declared text,                                  -- media type, as its sender says
	verdict text COLLATE "C" NOT NULL,              -- "clean", "infected", "unscannable", "forbidden", "error"; what was done
	text text NOT NULL DEFAULT '',
	record bigint                                   -- the record that says so
);
CREATE INDEX file_event_sha256 ON chancery.file_event (sha256, id);
CREATE INDEX file_event_name ON chancery.file_event (lower(left(name, 255)) text_pattern_ops, id);
CREATE INDEX file_event_from ON chancery.file_event (from_bare, id);
CREATE INDEX file_event_to ON chancery.file_event (to_bare, id);

-- Releases that wait for a second administrator (files.two_persons), and those that were done. A row is closed once.
CREATE TABLE chancery.file_release (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
	by_uid int,                                     -- of who logged in, else of the process; NULL: an administrator's client
	by_name text NOT NULL,
	reason text NOT NULL,
	found text NOT NULL DEFAULT '',                 -- in it, when that was said
	closed_at timestamptz,                          -- NULL: it waits
	closed_by text,
	approved boolean,                               -- false: withdrawn
	CHECK ((closed_at IS NULL) = (approved IS NULL))
);
CREATE UNIQUE INDEX file_release_open ON chancery.file_release (sha256) WHERE closed_at IS NULL;

CREATE FUNCTION chancery.file_release_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: a release is closed once' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION chancery.file_release_closed() FROM PUBLIC;
CREATE TRIGGER file_release_closed BEFORE UPDATE ON chancery.file_release FOR EACH ROW
	WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION chancery.file_release_closed();

GRANT SELECT, INSERT, UPDATE ON chancery.file TO chancery_server;
GRANT SELECT, INSERT (path, sha256, from_bare, to_bare, name, declared, verdict, text, record) ON chancery.file_event TO chancery_server;
GRANT SELECT, INSERT (sha256, by_uid, by_name, reason, found), UPDATE (closed_at, closed_by, approved) ON chancery.file_release TO chancery_server;
