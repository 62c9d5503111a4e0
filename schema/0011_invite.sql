-- Invitations (XEP-0401): a token is known by its hash, so the database alone lets nobody in.

CREATE TABLE chancery.invite (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	hash text COLLATE "C" NOT NULL UNIQUE,          -- SHA-256 of the token, hex
	inviter bigint REFERENCES chancery.account (id) ON DELETE CASCADE, -- NULL: the administration
	domain text COLLATE "C" NOT NULL,
	local text COLLATE "C",                         -- the name to be registered; NULL: whatever is free
	registers boolean NOT NULL,                     -- an account may be registered
	befriends boolean NOT NULL,                     -- who sends a subscription request with it is approved (XEP-0379)
	mutual boolean NOT NULL,                        -- who registers and the inviter are contacts from the beginning
	uses int NOT NULL,
	used int NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	CHECK (used <= uses)
);
CREATE INDEX invite_inviter ON chancery.invite (inviter);
CREATE INDEX invite_name ON chancery.invite (domain, local) WHERE local IS NOT NULL;

CREATE TABLE chancery.invite_use (
	invite bigint NOT NULL REFERENCES chancery.invite (id) ON DELETE CASCADE,
	bare text COLLATE "C" NOT NULL,                 -- who used it
	at timestamptz NOT NULL DEFAULT now(),
	due boolean NOT NULL,                           -- has registered, and may yet become a contact by it
	PRIMARY KEY (invite, bare)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.invite, chancery.invite_use TO chancery_server;
