-- Push services that accounts have enabled (XEP-0357).

CREATE TABLE chancery.push (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,                  -- of the service, prepared
	node text COLLATE "C" NOT NULL,                 -- '' when none was given
	resource text NOT NULL,                         -- of the client that enabled it last
	options text,                                   -- <x/> of publish-options, to be sent back as it came
	enabled_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account, jid, node)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.push TO chancery_server;
