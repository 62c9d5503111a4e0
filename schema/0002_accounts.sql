-- Accounts, their SCRAM keys, delivery marks, the server's own secrets and the audit trail.
-- (The schema `chancery` and its table `migration` are made by server/store/version.c.)

-- An id is never used again: rights and history belong to it, not to the name.
CREATE TABLE chancery.account (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	bare text COLLATE "C" NOT NULL UNIQUE,          -- the prepared bare JID
	disabled boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now(),
	secret_at timestamptz NOT NULL DEFAULT now(),   -- last change of the password
	last_seen_at timestamptz,
	last_status text
) WITH (fillfactor = 80);

CREATE TABLE chancery.account_key (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	hash smallint NOT NULL,                         -- enum scram_hash
	iterations int NOT NULL,
	salt bytea NOT NULL,
	stored_key bytea NOT NULL,
	server_key bytea NOT NULL,
	PRIMARY KEY (account, hash)
);

-- Records up to `mark` have reached a client of the account. Moved with every delivery: a narrow
-- row of its own, with room on the page, so that the change touches no index (HOT).
CREATE TABLE chancery.delivery_mark (
	account bigint PRIMARY KEY REFERENCES chancery.account (id) ON DELETE CASCADE,
	mark bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE chancery.secret (
	name text PRIMARY KEY,
	value bytea NOT NULL
);

-- What administrators do. Whoever looks is seen: adding is all the server may do with it, and the
-- time and number of an entry are the database's to give.
CREATE TABLE chancery.audit (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	who_uid int,
	who_name text,
	origin text NOT NULL,
	action text NOT NULL,
	target text,
	detail jsonb
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.account, chancery.account_key,
	chancery.delivery_mark TO chancery_server;
GRANT SELECT, INSERT ON chancery.secret TO chancery_server;
GRANT SELECT, INSERT (who_uid, who_name, origin, action, target, detail) ON chancery.audit
	TO chancery_server;
