-- Components of others (XEP-0114): who may connect as which domains, and what each may (server/core/component/component_rules.h). Those of
-- the settings file (components.domains) are not here.

CREATE TABLE chancery.component (
	name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	secret text NOT NULL CHECK (octet_length(secret) BETWEEN 16 AND 255), -- as it is: the handshake is a hash of it together with the stream's id
	enabled boolean NOT NULL DEFAULT true,
	kinds smallint NOT NULL CHECK (kinds BETWEEN 1 AND 7), -- of stanzas that it may send: bits of enum component_kind
	per_second int NOT NULL DEFAULT 0 CHECK (per_second >= 0), -- stanzas; 0: the server's limit
	keep boolean NOT NULL DEFAULT false,            -- while it is down: messages for it are kept (true), or go back to their senders
	created_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL
);

CREATE TABLE chancery.component_domain (
	domain text COLLATE "C" PRIMARY KEY,            -- prepared
	component text COLLATE "C" NOT NULL REFERENCES chancery.component ON DELETE CASCADE
);
CREATE INDEX component_domain_component ON chancery.component_domain (component);

-- Privileges (XEP-0356), granted one by one.
CREATE TABLE chancery.component_grant (
	component text COLLATE "C" NOT NULL REFERENCES chancery.component ON DELETE CASCADE,
	privilege text NOT NULL CHECK (privilege IN ('roster', 'message', 'presence', 'iq')),
	namespace text NOT NULL DEFAULT '' CHECK ((namespace <> '') = (privilege = 'iq') AND octet_length(namespace) <= 1000),
	access text NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT now(),
	granted_by text NOT NULL,
	PRIMARY KEY (component, privilege, namespace),
	CHECK (access = ANY (CASE privilege WHEN 'message' THEN '{outgoing}'::text[] WHEN 'presence' THEN '{managed_entity,roster}'
		ELSE '{get,set,both}' END))
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.component, chancery.component_domain, chancery.component_grant TO chancery_server;
