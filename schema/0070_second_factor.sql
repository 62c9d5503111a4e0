-- The second factor of accounts: the secret of one-time codes (RFC 6238), encrypted under a key that the database does not have (store/sealed), as
-- credentials for networks are (0048).

-- `step`: the last time step whose code was used; none up to it is good again (RFC 6238 §5.2). `wrong`: codes that were wrong since `wrong_at`.
CREATE TABLE chancery.second_factor (
	account bigint PRIMARY KEY REFERENCES chancery.account (id) ON DELETE CASCADE,
	key_id int NOT NULL,
	nonce bytea NOT NULL CHECK (octet_length(nonce) = 12),
	sealed bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 16 AND 65552), -- with its tag
	confirmed_at timestamptz,                       -- NULL: shown, and not asked for before a code has proved that it arrived
	step bigint NOT NULL DEFAULT 0,
	wrong int NOT NULL DEFAULT 0,
	wrong_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.second_factor TO chancery_server;
