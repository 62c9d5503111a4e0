-- Profiles: vCards (XEP-0054, XEP-0292) with their photo (XEP-0153), and private XML (XEP-0049).

CREATE TABLE chancery.vcard (
	account bigint PRIMARY KEY REFERENCES chancery.account (id) ON DELETE CASCADE,
	vcard text,                                     -- <vCard/> as it was set, without the photo; NULL: none
	vcard4 text,                                    -- the same as <vcard/>; NULL: none
	photo text,                                     -- <PHOTO/> with a picture in it; NULL: none
	photo_sha1 text COLLATE "C",                    -- of the picture, in hexadecimal
	photo_access smallint NOT NULL DEFAULT 0,       -- who may see it: 0 everybody, 1 contacts, 2 its owner
	changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE chancery.private_xml (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	ns text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	xml text NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account, ns, name)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.vcard, chancery.private_xml TO chancery_server;
