-- The audit trail in the log: each row of chancery.audit refers to a record of kind 24, committed before the action (server/store/audit.h).
-- Rows from before have none, and stay as they are.

ALTER TABLE chancery.audit
	ADD COLUMN record bigint,
	ADD COLUMN who_role text;
-- "Which row has this record?", and in the order of the log.
CREATE INDEX audit_record ON chancery.audit (record);

GRANT INSERT (who_role, record) ON chancery.audit TO chancery_server, chancery_officer, chancery_auditor, chancery_retention;

-- Few of many: 24 audit, 25 erasure, and a 7 that takes one of these back (it has the type of what it refers to).
CREATE INDEX record_audit ON archive.record (id)
	WHERE kind IN (24, 25) OR (kind = 7 AND type = 'audit');

-- What an auditor reads of the record, and nothing else of it: what takes an audit record back is addressed to nobody, as it was. The barrier: no function in a query sees other rows.
CREATE VIEW archive.audit_record WITH (security_barrier) AS
	SELECT r.id, r.log_index, r.at, r.refers_record, r.kind, r.from_bare, r.from_resource, r.body, r.stanza, r.leaf_hash
	FROM archive.record r
	WHERE r.kind IN (24, 25) OR (r.kind = 7 AND r.type = 'audit' AND r.to_bare IS NULL);
GRANT SELECT ON archive.audit_record TO chancery_server, chancery_officer, chancery_auditor;
