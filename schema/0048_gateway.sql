-- Gateways to public networks (server/core/gateway/gateway_rules.h, modules/networks): a component each (it is on when that is enabled), who may use
-- it, and what its program keeps here, as that has nothing of its own that lasts.

CREATE TABLE chancery.gateway (
	name text COLLATE "C" PRIMARY KEY REFERENCES chancery.component ON DELETE CASCADE,
	kind text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9]{0,15}$'), -- chancery-gateway-KIND is its program
	settings text NOT NULL DEFAULT '{}' CHECK (octet_length(settings) <= 65536), -- a JSON object, for the program
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL
);

-- Names that domains have, or have had: a search of the record asks by the name long after the gateway has gone.
CREATE TABLE chancery.gateway_name (
	name text COLLATE "C" NOT NULL,
	domain text COLLATE "C" NOT NULL,
	PRIMARY KEY (name, domain)
);

-- Who may: nobody, but by these. A group of the organisation, or 'everyone'; a row that denies is stronger than all that allow.
CREATE TABLE chancery.gateway_rule (
	gateway text COLLATE "C" NOT NULL REFERENCES chancery.gateway ON DELETE CASCADE,
	grp text NOT NULL CHECK (grp <> '' AND octet_length(grp) <= 1023),
	allowed boolean NOT NULL,
	rights smallint NOT NULL CHECK (rights BETWEEN 0 AND 63), -- bits of enum gateway_right
	per_minute int NOT NULL DEFAULT 0 CHECK (per_minute >= 0), -- messages of one person; 0: the server's limit
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL,
	PRIMARY KEY (gateway, grp)
);

-- Who has registered with it (XEP-0100), as the program says.
CREATE TABLE chancery.gateway_user (
	gateway text COLLATE "C" NOT NULL REFERENCES chancery.gateway ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,                  -- bare
	mode text NOT NULL CHECK (octet_length(mode) <= 64),
	data text NOT NULL DEFAULT '' CHECK (octet_length(data) <= 65536), -- the program's; no secrets
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (gateway, jid)
);

-- Their passwords at the network: AES-256-GCM under a key that is in a file and not here (gateways.key_file), bound to gateway and person.
CREATE TABLE chancery.gateway_credential (
	gateway text COLLATE "C" NOT NULL REFERENCES chancery.gateway ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,
	key_id int NOT NULL,
	nonce bytea NOT NULL CHECK (octet_length(nonce) = 12),
	sealed bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 16 AND 65552), -- with its tag
	changed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (gateway, jid)
);

-- Small values of the program.
CREATE TABLE chancery.gateway_data (
	gateway text COLLATE "C" NOT NULL REFERENCES chancery.gateway ON DELETE CASCADE,
	key text COLLATE "C" NOT NULL CHECK (key <> '' AND octet_length(key) <= 1024),
	value text NOT NULL CHECK (octet_length(value) <= 1048576),
	changed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (gateway, key)
);

-- A name that is used again inherits nothing.
CREATE FUNCTION chancery.gateway_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM chancery.gateway_user WHERE jid = OLD.bare;
	DELETE FROM chancery.gateway_credential WHERE jid = OLD.bare;
	RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION chancery.gateway_forget() FROM PUBLIC;
CREATE TRIGGER gateway_forget AFTER DELETE ON chancery.account FOR EACH ROW EXECUTE FUNCTION chancery.gateway_forget();
CREATE INDEX gateway_user_jid ON chancery.gateway_user (jid);
CREATE INDEX gateway_credential_jid ON chancery.gateway_credential (jid);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.gateway, chancery.gateway_rule, chancery.gateway_user, chancery.gateway_credential,
	chancery.gateway_data TO chancery_server;
GRANT SELECT, INSERT ON chancery.gateway_name TO chancery_server;
GRANT SELECT ON chancery.gateway_name TO chancery_officer, chancery_retention;
