-- Block lists (XEP-0191).

CREATE TABLE chancery.blocked (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,                  -- prepared: user@domain/resource, user@domain, domain/resource, domain
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account, jid)
);

GRANT SELECT, INSERT, DELETE ON chancery.blocked TO chancery_server;
