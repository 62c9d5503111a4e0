-- What a user sees of the record (XEP-0313). There is no second copy: an archive is the records from
-- and to the account that are `shown`, less what the tables below say. README.md has the columns.

-- A bare JID as the indexes know it; server/store/address.c computes the same.
CREATE FUNCTION archive.address_hash(bare text) RETURNS bigint
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN ('x' || encode(substr(sha256(convert_to(bare, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint;

-- Both directions of a conversation; what an account sends to itself has a place of its own.
CREATE FUNCTION archive.pair_hash(a bigint, b bigint) RETURNS bigint
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN a = b THEN a ELSE a # b END;

REVOKE ALL ON FUNCTION archive.address_hash(text), archive.pair_hash(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.address_hash(text), archive.pair_hash(bigint, bigint)
	TO chancery_server, chancery_reader;

-- Not part of the canonical form: they say nothing that the record does not say, and a lie in them
-- hides or shows, but changes nothing that is proved.
ALTER TABLE archive.record
	ADD COLUMN shown boolean NOT NULL DEFAULT false,
	ADD COLUMN from_hash bigint,
	ADD COLUMN to_hash bigint,
	ADD COLUMN pair_hash bigint;

UPDATE archive.record SET
	from_hash = archive.address_hash(from_bare),
	to_hash = archive.address_hash(to_bare),
	pair_hash = archive.pair_hash(archive.address_hash(from_bare), archive.address_hash(to_bare)),
	shown = kind BETWEEN 1 AND 5 AND type IN ('chat', 'normal') AND stanza IS NOT NULL
		AND strpos(stanza, 'no-store') = 0 AND strpos(stanza, 'no-permanent-store') = 0;

-- By number, not by text: cheaper to add to than the text index that served the backlog until now.
DROP INDEX archive.record_backlog;
CREATE INDEX record_to ON archive.record (to_hash, id);
CREATE INDEX record_from ON archive.record (from_hash, id) WHERE shown;
CREATE INDEX record_pair ON archive.record (pair_hash, id) WHERE shown;

-- XEP-0441.
CREATE TABLE chancery.history_prefs (
	account bigint PRIMARY KEY REFERENCES chancery.account (id) ON DELETE CASCADE,
	preset text COLLATE "C" NOT NULL,   -- always, never, roster
	always text[] NOT NULL,
	never text[] NOT NULL
);

-- Records that the preferences of this account, as they were then, keep out of what it sees.
CREATE TABLE chancery.history_hidden (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	record bigint NOT NULL,
	PRIMARY KEY (account, record)
);

-- Records that their sender retracted (XEP-0424): both sides see a tombstone.
CREATE TABLE chancery.history_retracted (
	record bigint PRIMARY KEY,
	by_record bigint NOT NULL,          -- the retraction
	by_id text                          -- its id attribute
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.history_prefs TO chancery_server;
GRANT SELECT, INSERT ON chancery.history_hidden, chancery.history_retracted TO chancery_server;
