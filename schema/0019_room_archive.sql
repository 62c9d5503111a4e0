-- What is known of rooms besides what they are: who may find them, and their picture.

-- How many are inside, for searches (XEP-0433), as of a run of the server. Nothing is lost with it.
CREATE UNLOGGED TABLE chancery.room_census (
	room bigint PRIMARY KEY REFERENCES chancery.room (id) ON DELETE CASCADE,
	run bigint NOT NULL,
	occupants int NOT NULL
);

-- XEP-0486.
CREATE TABLE chancery.room_vcard (
	room bigint PRIMARY KEY REFERENCES chancery.room (id) ON DELETE CASCADE,
	vcard text NOT NULL,                -- <vCard/> as its owner set it
	photos text NOT NULL                -- SHA-1 of each photo in hexadecimal, a line each; "": none
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.room_census, chancery.room_vcard TO chancery_server;
