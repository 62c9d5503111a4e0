-- What is on its way to other servers. Everything else about it is in the record: after a crash what was not taken, and not returned
-- to its sender, is sent again from there.

-- Records of direction 2 that are deliverable: up to `mark` only those in `open` may still be under way; all above it may.
CREATE TABLE chancery.outbox (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	mark bigint NOT NULL,
	open bigint[] NOT NULL DEFAULT '{}'
);
INSERT INTO chancery.outbox (mark) SELECT coalesce(max(id), 0) FROM archive.record;

GRANT SELECT, UPDATE (mark, open) ON chancery.outbox TO chancery_server;

-- Few of the records: for this, and for reports about who exchanged what with whom.
CREATE INDEX record_federated ON archive.record (id) WHERE direction <> 0;
