-- Rooms (XEP-0045): what lasts of them. Who is inside is in memory only, and in the record.

CREATE TABLE chancery.room (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	jid text COLLATE "C" NOT NULL UNIQUE,
	domain text COLLATE "C" NOT NULL,               -- of the service
	creator text COLLATE "C" NOT NULL,              -- bare address
	created_at timestamptz NOT NULL DEFAULT now(),
	locked boolean NOT NULL,                        -- its owner has not configured it yet
	secret bytea NOT NULL CHECK (octet_length(secret) = 32), -- of occupant ids (XEP-0421)
	run bigint NOT NULL,                            -- the run of the server in which somebody last was inside
	-- The configuration.
	name text,
	description text,
	lang text,
	password text,
	contacts text,
	persistent boolean NOT NULL,
	listed boolean NOT NULL,
	members_only boolean NOT NULL,
	moderated boolean NOT NULL,
	whois_anyone boolean NOT NULL,
	change_subject boolean NOT NULL,
	invites boolean NOT NULL,
	voice_requests boolean NOT NULL,
	history_for_all boolean NOT NULL,
	pm smallint NOT NULL,                           -- enum room_pm
	broadcast smallint NOT NULL,                    -- roles, a bit each
	member_list smallint NOT NULL,                  -- the same
	max_users int NOT NULL,
	history int NOT NULL,
	-- The subject; NULL: there never was one.
	subject text,
	subject_nick text,
	subject_at timestamptz
);
CREATE INDEX room_domain ON chancery.room (domain, jid) WHERE listed;
CREATE INDEX room_creator ON chancery.room (creator);

-- Who is something to a room, or has a nickname reserved there. By bare address, or a domain.
CREATE TABLE chancery.room_affiliate (
	room bigint NOT NULL REFERENCES chancery.room (id) ON DELETE CASCADE,
	jid text COLLATE "C" NOT NULL,
	affiliation smallint NOT NULL CHECK (affiliation BETWEEN 0 AND 4), -- outcast, none, member, admin, owner
	nick text,
	reason text,
	PRIMARY KEY (room, jid)
);
CREATE INDEX room_affiliate_jid ON chancery.room_affiliate (jid);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.room, chancery.room_affiliate TO chancery_server;
