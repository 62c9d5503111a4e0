-- Client installations (XEP-0388 user agents), what they may log in with instead of a password (XEP-0484), and when
-- they last did (XEP-0494).

-- `agent` is the client's own random id for itself. `password_at`: when it last proved to know the password, which
-- gives it access until the password is changed (account.secret_at).
CREATE TABLE chancery.device (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	agent uuid NOT NULL,
	software text,
	device text,
	first_at timestamptz NOT NULL DEFAULT now(),
	last_at timestamptz NOT NULL DEFAULT now(),
	last_address text,
	password_at timestamptz,
	UNIQUE (account, agent)
) WITH (fillfactor = 70);

-- Two for a device at most: 0 is in use, 1 has been given out and not been used yet. A token is made of the seed, its
-- place and the server's key (core/stream/fast): what stands here does not let anybody in.
CREATE TABLE chancery.token (
	device bigint NOT NULL REFERENCES chancery.device (id) ON DELETE CASCADE,
	slot smallint NOT NULL CHECK (slot IN (0, 1)),
	mechanism smallint NOT NULL,                    -- enum sasl_mechanism
	seed bytea NOT NULL,
	issued_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	count bigint NOT NULL DEFAULT 0,                -- the highest the client has sent with it
	PRIMARY KEY (device, slot)
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.device, chancery.token TO chancery_server;
