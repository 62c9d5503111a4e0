-- The stream to a SIEM (server/archive/siem.h): how far it is, and what waits that is not in the record.

CREATE TABLE chancery.siem (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	record bigint NOT NULL              -- audit records up to this one have been taken
);
INSERT INTO chancery.siem (record) VALUES (0);

-- Alarms, security events of the log, checkpoints; gone when they have been sent, bounded by limits.siem_events.
CREATE TABLE chancery.siem_event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL,
	severity smallint NOT NULL,         -- RFC 5424 §6.2.1
	name text NOT NULL,
	text text NOT NULL                  -- JSON
);

GRANT SELECT, UPDATE ON chancery.siem TO chancery_server;
GRANT SELECT, INSERT, DELETE ON chancery.siem_event TO chancery_server;
