-- The compliance desk: persons and their roles, the tokens they show, and what waits for a second person.
-- Holds, exports and retention have their tables in the same schema.

CREATE SCHEMA compliance;
REVOKE ALL ON SCHEMA compliance FROM PUBLIC;
GRANT USAGE ON SCHEMA compliance TO chancery_server, chancery_officer, chancery_auditor, chancery_retention;
-- (chancery_officer has what chancery_reader has in schema archive.)
GRANT USAGE ON SCHEMA chancery TO chancery_officer, chancery_auditor, chancery_retention;
GRANT USAGE ON SCHEMA archive TO chancery_auditor, chancery_retention;

-- Whatever their role, what they do is written down in the transaction that does it.
GRANT INSERT (who_uid, who_name, origin, action, target, detail) ON chancery.audit
	TO chancery_officer, chancery_auditor, chancery_retention;
GRANT SELECT ON chancery.audit TO chancery_auditor;

-- Rights belong to the id. A person is never deleted, so a name never becomes somebody else's.
CREATE TABLE compliance.person (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	roles smallint NOT NULL CHECK (roles BETWEEN 0 AND 15),  -- enum access_role, server/admin/access.h
	account text,                   -- their bare JID here, if any
	uid int,                        -- their account of the server's operating system, if any
	disabled boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now()
);

-- The token itself is nowhere: its SHA-256 is. `prefix` finds the row, the rest is compared in constant time.
CREATE TABLE compliance.token (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	person bigint NOT NULL REFERENCES compliance.person (id),
	prefix bytea NOT NULL CHECK (octet_length(prefix) = 8),
	hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
	role smallint NOT NULL CHECK (role IN (1, 2, 4, 8)),
	scope text[] NOT NULL,          -- 'noun' or 'noun.verb'; empty: all that the role may
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz,
	used_at timestamptz,
	used_from text
);
CREATE INDEX token_prefix ON compliance.token (prefix);
CREATE INDEX token_person ON compliance.token (person);

-- What was asked for, word for word, and its hash, which both persons see. Nothing here is deleted.
CREATE TABLE compliance.approval (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	noun text NOT NULL,
	verb text NOT NULL,
	args text NOT NULL,             -- JSON, keys sorted
	hash bytea NOT NULL CHECK (octet_length(hash) = 32),
	role smallint NOT NULL,         -- in which it was asked for
	person bigint REFERENCES compliance.person (id),  -- who asked; NULL: an administrator without a token
	asked_by text NOT NULL,
	asked_uid int,
	asked_from text NOT NULL,
	asked_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	state text NOT NULL DEFAULT 'waiting'
		CHECK (state IN ('waiting', 'running', 'done', 'failed', 'interrupted', 'denied', 'withdrawn', 'expired')),
	decided_by text,
	decided_at timestamptz,
	reason text,
	outcome text                    -- what it answered, or why it failed
);
CREATE INDEX approval_open ON compliance.approval (id) WHERE state IN ('waiting', 'running');

GRANT SELECT, INSERT (name, roles, account, uid), UPDATE (roles, account, uid, disabled) ON compliance.person TO chancery_server;
GRANT SELECT, INSERT (person, prefix, hash, role, scope, expires_at), UPDATE (revoked_at, used_at, used_from) ON compliance.token
	TO chancery_server;
GRANT SELECT, INSERT (noun, verb, args, hash, role, person, asked_by, asked_uid, asked_from, expires_at),
	UPDATE (state, decided_by, decided_at, reason, outcome) ON compliance.approval TO chancery_server;
-- Names, for those who show who asked for an export or set a hold.
GRANT SELECT (id, name) ON compliance.person TO chancery_officer, chancery_retention;
