-- The Merkle log over the record (RFC 9162): the leaf hashes of archive.record, in the order of log_index, are its leaves.
-- README.md says what is in these tables, server/archive/log_keeper.c is the only writer. Rows are added and never changed.

-- Full tiles of 256 hashes (C2SP tlog-tiles, height 8): tile (level, index) holds the nodes of tree level 8 * level from
-- 256 * index on. `root` is the node above them, so that the hashes of a tile that is not full yet are the roots of those
-- below it, without reading them. What is in no full tile is computed from the newest leaves.
CREATE TABLE archive.tile (
	level smallint NOT NULL CHECK (level BETWEEN 0 AND 6),
	index bigint NOT NULL CHECK (index >= 0),
	hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
	root bytea NOT NULL CHECK (octet_length(root) = 32),
	PRIMARY KEY (level, index)
);
-- Hashes cannot be compressed: nobody shall try.
ALTER TABLE archive.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- The public keys (C2SP signed-note, vkey form) that sign checkpoints, one after the other: number 1 is the first. A later one has
-- the signed note by which it was handed over.
CREATE TABLE archive.log_key (
	number int PRIMARY KEY CHECK (number > 0),
	vkey text NOT NULL UNIQUE,
	since bigint NOT NULL CHECK (since >= 0), -- signs trees larger than this
	at timestamptz NOT NULL,
	handover text,                            -- NULL: the first key
	lost boolean NOT NULL DEFAULT false       -- the key before was gone: it has signed nothing of this
);

-- Signed tree heads (C2SP tlog-checkpoint). Whatever is full below `size` has its tile in the same transaction.
CREATE TABLE archive.checkpoint (
	size bigint PRIMARY KEY CHECK (size > 0),
	at timestamptz NOT NULL,
	root bytea NOT NULL CHECK (octet_length(root) = 32),
	note text NOT NULL
);

-- RFC 3161 time stamps of checkpoints: over the SHA-256 of the note.
CREATE TABLE archive.checkpoint_stamp (
	size bigint PRIMARY KEY REFERENCES archive.checkpoint,
	at timestamptz NOT NULL,
	url text NOT NULL,
	token bytea NOT NULL
);

-- What the server's own looks at the log found: where the next one may go on.
CREATE TABLE archive.verification (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	first bigint NOT NULL,   -- log indexes from here
	size bigint NOT NULL,    -- to below here
	findings bigint NOT NULL,
	detail text
);

GRANT SELECT, INSERT ON archive.tile, archive.log_key, archive.checkpoint, archive.checkpoint_stamp, archive.verification TO chancery_server;
GRANT SELECT ON archive.tile, archive.log_key, archive.checkpoint, archive.checkpoint_stamp, archive.verification TO chancery_reader;
