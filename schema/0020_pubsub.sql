-- Nodes at publish-subscribe services (XEP-0060), beside those of accounts: the same tables hold both.

ALTER TABLE chancery.pep_node RENAME TO pubsub_node;
ALTER TABLE chancery.pep_item RENAME TO pubsub_item;
ALTER TABLE chancery.pep_subscription RENAME TO pubsub_subscription;

CREATE TABLE chancery.pubsub_service (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	domain text COLLATE "C" NOT NULL UNIQUE
);

-- `host` is whose the node is: an account's id, or that of a service below 0.
ALTER TABLE chancery.pubsub_node
	ALTER COLUMN account DROP NOT NULL,
	ALTER COLUMN members SET DEFAULT '{}',                         -- no longer read: pubsub_affiliation
	ADD COLUMN service bigint REFERENCES chancery.pubsub_service (id) ON DELETE CASCADE,
	ADD COLUMN host bigint GENERATED ALWAYS AS (coalesce(account, -service)) STORED,
	ADD COLUMN creator text COLLATE "C",                           -- bare JID; of an account's node: NULL
	ADD COLUMN publish_model smallint NOT NULL DEFAULT 1,          -- enum node_publish
	ADD COLUMN node_full smallint NOT NULL DEFAULT 1,              -- enum node_full
	ADD COLUMN itemreply smallint NOT NULL DEFAULT 0,              -- enum node_reply
	ADD COLUMN available_only boolean NOT NULL DEFAULT true,       -- presence_based_delivery
	ADD COLUMN subscribe boolean NOT NULL DEFAULT true,            -- subscriptions are taken
	ADD COLUMN notify_sub boolean NOT NULL DEFAULT false,
	ADD COLUMN expire int NOT NULL DEFAULT 0,                      -- seconds that items live; 0: no bound
	ADD COLUMN affiliated int NOT NULL DEFAULT 0,                  -- rows of pubsub_affiliation
	ADD CHECK ((account IS NULL) <> (service IS NULL));
CREATE UNIQUE INDEX pubsub_node_name ON chancery.pubsub_node (host, node);
CREATE INDEX pubsub_node_creator ON chancery.pubsub_node (creator) WHERE creator IS NOT NULL;

CREATE TABLE chancery.pubsub_affiliation (
	node bigint NOT NULL REFERENCES chancery.pubsub_node (id) ON DELETE CASCADE,
	bare text COLLATE "C" NOT NULL,
	affiliation smallint NOT NULL,       -- enum node_affiliation; accounts, who own their nodes, have no row
	PRIMARY KEY (node, bare)
);
CREATE INDEX pubsub_affiliation_of ON chancery.pubsub_affiliation (bare);

INSERT INTO chancery.pubsub_affiliation SELECT DISTINCT n.id, m.bare, 2 FROM chancery.pubsub_node n, unnest(n.members) AS m (bare);
UPDATE chancery.pubsub_node n SET affiliated = (SELECT count(*) FROM chancery.pubsub_affiliation a WHERE a.node = n.id)
	WHERE n.members <> '{}';

ALTER TABLE chancery.pubsub_subscription
	ADD COLUMN subid text COLLATE "C" NOT NULL DEFAULT 'explicit',
	ADD COLUMN state smallint NOT NULL DEFAULT 1,                  -- enum node_state
	ADD COLUMN deliver boolean NOT NULL DEFAULT true,
	ADD COLUMN shows smallint NOT NULL DEFAULT 0,                  -- bits: away, chat, dnd, online, xa; 0: whatever
	ADD COLUMN until timestamptz;                                  -- the end of a lease
CREATE INDEX pubsub_subscription_of ON chancery.pubsub_subscription (bare);

-- Where deleted nodes have gone.
CREATE TABLE chancery.pubsub_moved (
	host bigint NOT NULL,
	node text COLLATE "C" NOT NULL,
	uri text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (host, node)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.pubsub_service, chancery.pubsub_affiliation, chancery.pubsub_moved
	TO chancery_server;
