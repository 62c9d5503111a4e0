-- Partners: the domains of other servers that an administrator has allowed (server/core/federation/partner.h). Whatever is not here is
-- refused, in both directions.

CREATE TABLE chancery.partner (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	domain text COLLATE "C" NOT NULL UNIQUE,        -- prepared; "*.domain": every domain below it, not itself
	direction smallint NOT NULL CHECK (direction BETWEEN 1 AND 3), -- enum partner_direction
	pass int NOT NULL CHECK (pass >= 0),            -- bits of enum partner_pass
	trust smallint NOT NULL CHECK (trust BETWEEN 0 AND 2), -- enum cert_trust
	ca_pem text,                                    -- trust 0: a CA of its own; NULL: the public ones
	pins text[] NOT NULL DEFAULT '{}',              -- trust 1: "sha256/…" of public keys
	dialback boolean NOT NULL DEFAULT false,
	who text[] NOT NULL DEFAULT '{}',               -- bare JIDs and "group:NAME" of ours who may; none: everybody
	per_minute int NOT NULL DEFAULT 0,              -- messages, each direction; 0: as many as there are
	user_per_minute int NOT NULL DEFAULT 0,
	hours text,                                     -- "Mon-Fri 08:00-18:00"; NULL: always
	owner text NOT NULL,                            -- who answers for it
	reason text NOT NULL,                           -- of the last change
	expires_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL,
	CHECK ((trust = 1) = (pins <> '{}')),
	CHECK (ca_pem IS NULL OR trust = 0)
);

-- Every change: what the entry was, and what it is since. It only grows, and its time and number are the database's to give.
CREATE TABLE chancery.partner_history (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	domain text COLLATE "C" NOT NULL,
	action text NOT NULL CHECK (action IN ('allow', 'change', 'deny')),
	who text NOT NULL,
	proposal bigint,                                -- it waited for a second administrator (partner_proposal)
	old jsonb,                                      -- the row; NULL: there was none
	new jsonb,                                      -- NULL: there is none any more
	owner text NOT NULL,
	reason text NOT NULL
);
CREATE INDEX partner_history_domain ON chancery.partner_history (domain, id);

-- Changes that wait until a second administrator agrees (federation.two_persons), and keys that `federation pin` has seen. A row is
-- closed once and never opened again.
CREATE TABLE chancery.partner_proposal (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	domain text COLLATE "C" NOT NULL,
	entry jsonb NOT NULL,                           -- what the row would be
	base bigint NOT NULL,                           -- the newest history of the domain when it was proposed; 0: none
	by_uid int,                                     -- NULL: an administrator's client
	by_name text NOT NULL,
	reason text NOT NULL,
	closed_at timestamptz,                          -- NULL: open
	closed_by text,
	approved boolean,                               -- false: withdrawn, or replaced by a newer one
	CHECK ((closed_at IS NULL) = (approved IS NULL))
);
CREATE UNIQUE INDEX partner_proposal_open ON chancery.partner_proposal (domain) WHERE closed_at IS NULL;

-- Who was refused: a row for each day, domain, direction and reason; so many a day (limits.partner_refusals), for a year.
CREATE TABLE chancery.partner_refusal (
	day date NOT NULL,
	domain text COLLATE "C" NOT NULL,
	direction smallint NOT NULL,                    -- enum partner_direction
	why text COLLATE "C" NOT NULL,
	address text NOT NULL,                          -- of the last; "": going out
	count bigint NOT NULL,
	first_at timestamptz NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (day, domain, direction, why)
);
CREATE INDEX partner_refusal_domain ON chancery.partner_refusal (domain, day);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.partner, chancery.partner_refusal TO chancery_server;
GRANT SELECT, INSERT (domain, action, who, proposal, old, new, owner, reason) ON chancery.partner_history TO chancery_server;
GRANT SELECT, INSERT (domain, entry, base, by_uid, by_name, reason), UPDATE (closed_at, closed_by, approved)
	ON chancery.partner_proposal TO chancery_server;
