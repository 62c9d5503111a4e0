-- What an account may do beyond its own affairs, and which groups of the organisation it belongs to: policies and
-- commands go by them. They belong to the account's id, so a name that is used again has none.

ALTER TABLE chancery.account
	ADD admin boolean NOT NULL DEFAULT false,
	ADD groups text[] NOT NULL DEFAULT '{}';
