-- Passwords of devices: beside its own password an account may have some that are made by the server, each for one client, and end one by one. What
-- SCRAM needs of them, under the salts and rounds of the account's own keys (account_key): the client is told salt and rounds before it is known which
-- password it has. So they go when the account gets another password.

CREATE TABLE chancery.device_key (
	account bigint NOT NULL REFERENCES chancery.account (id) ON DELETE CASCADE,
	hash smallint NOT NULL,                         -- enum scram_hash
	device bigint NOT NULL REFERENCES chancery.device (id) ON DELETE CASCADE,
	stored_key bytea NOT NULL,
	server_key bytea NOT NULL,
	PRIMARY KEY (account, hash, device)
);
CREATE INDEX device_key_device ON chancery.device_key (device);

GRANT SELECT, INSERT, DELETE ON chancery.device_key TO chancery_server;
