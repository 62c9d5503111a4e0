-- Rosters (RFC 6121 §2), subscription states and pending requests.

CREATE TABLE chancery.roster_version (
	account bigint PRIMARY KEY REFERENCES chancery.account (id) ON DELETE CASCADE,
	version bigint NOT NULL,
	-- Removals up to here are forgotten: a client that knows no more gets the whole roster.
	floor bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

CREATE TABLE chancery.roster_item (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,
	name text,
	groups text[] NOT NULL DEFAULT '{}',
	subscription smallint NOT NULL,   -- bits: 1 they send us presence, 2 we send them ours
	ask boolean NOT NULL,
	approved boolean NOT NULL,
	listed boolean NOT NULL,
	version bigint NOT NULL,
	request text,
	PRIMARY KEY (account, jid)
);

CREATE TABLE chancery.roster_tombstone (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	PRIMARY KEY (account, jid)
);
CREATE INDEX roster_tombstone_version ON chancery.roster_tombstone (account, version);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.roster_version, chancery.roster_item,
	chancery.roster_tombstone TO chancery_server;
