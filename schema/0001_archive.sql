-- The record: what everybody said, in the order of the log. Rows are added and never changed;
-- README.md has the canonical form and the leaf hash, server/store/record.c is the only writer.

CREATE SCHEMA archive;
REVOKE ALL ON SCHEMA archive FROM PUBLIC;
GRANT USAGE ON SCHEMA archive TO chancery_server, chancery_reader;

-- The columns down to `stanza` are the canonical form, in this order. Fixed widths come first: no
-- padding. What erasure will empty (text, salt) may be NULL; the leaf hash stays for ever.
CREATE TABLE archive.record (
	id bigint NOT NULL,             -- microseconds since 1970, strictly increasing; the stanza-id
	log_index bigint NOT NULL,      -- dense, from 0: the leaf's place in the log
	at timestamptz NOT NULL,        -- the writer's clock; ids may run ahead of it, never behind
	refers_record bigint,           -- the record this one is about (kind 7)
	kind smallint NOT NULL,         -- enum record_kind
	direction smallint NOT NULL,    -- 0 local, 1 in, 2 out
	deliverable boolean NOT NULL,   -- belongs to the recipient's backlog
	from_bare text,
	from_resource text,
	to_bare text,
	to_resource text,
	type text,
	client_id text,
	refers_to text,
	body text,
	stanza text,
	salt bytea,
	leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
	PRIMARY KEY (id)
) PARTITION BY RANGE (id);

-- A user's backlog (offline messages), and "was this one returned to its sender?".
CREATE INDEX record_backlog ON archive.record (to_bare, id) WHERE deliverable;
CREATE INDEX record_returned ON archive.record (refers_record) WHERE kind = 7;

-- The server adds and reads; a partition is reached through its parent only, so partitions need
-- no grants of their own and get none.
GRANT SELECT, INSERT ON archive.record TO chancery_server;
GRANT SELECT ON archive.record TO chancery_reader;

-- Makes the partitions of the current month and of `months` more, counted from the newest record
-- where that is ahead of the clock. Returns the first id that has no partition. The server may
-- call it and can do no other DDL. A partition is attached, not created in place: that takes
-- SHARE UPDATE EXCLUSIVE on the parent, which neither readers nor COPY have to wait for.
CREATE FUNCTION archive.make_partitions(months int) RETURNS bigint
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	newest timestamptz;
	month timestamptz;
	until timestamptz;
	name text;
	first_id bigint;
	end_id bigint;
BEGIN
	IF months IS NULL OR months < 0 OR months > 24 THEN
		RAISE EXCEPTION 'months must be 0 to 24' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM pg_advisory_xact_lock(4841263, 2);
	SELECT to_timestamp(max(id) / 1000000) INTO newest FROM archive.record;
	until := date_trunc('month', greatest(newest, now())) + make_interval(months => months);
	-- Two clocks may disagree around midnight of the first: begin a day early. A log that is
	-- ahead of the clock goes on where it is.
	month := date_trunc('month', greatest(newest, now()) - interval '1 day');
	WHILE month <= until LOOP
		name := 'record_' || to_char(month, 'YYYY_MM');
		first_id := (extract(epoch FROM month) * 1000000)::bigint;
		end_id := (extract(epoch FROM month + interval '1 month') * 1000000)::bigint;
		IF to_regclass('archive.' || name) IS NULL THEN
			EXECUTE format('CREATE TABLE archive.%I (LIKE archive.record'
				' INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
			EXECUTE format('CREATE UNIQUE INDEX %I ON archive.%I (log_index)',
				name || '_log_index', name);
			EXECUTE format('ALTER TABLE archive.record ATTACH PARTITION archive.%I'
				' FOR VALUES FROM (%s) TO (%s)', name, first_id, end_id);
		END IF;
		month := month + interval '1 month';
	END LOOP;
	RETURN end_id;
END
$$;
REVOKE ALL ON FUNCTION archive.make_partitions(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.make_partitions(int) TO chancery_server;

-- The leaf hash of a row, computed from what the row says now. Equal to leaf_hash unless the row
-- was altered; NULL when its salt was erased. (Bodies of this kind are bound when they are made: no
-- search path can change what they call.)
CREATE FUNCTION archive.field(value bytea) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN coalesce(int4send(octet_length(value)) || value, '\xffffffff'::bytea);

CREATE FUNCTION archive.leaf(r archive.record) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN sha256('\x00'::bytea || (r).salt || '\x01'::bytea
		|| archive.field(int8send((r).id))
		|| archive.field(int8send((r).log_index))
		|| archive.field(timestamptz_send((r).at))
		|| archive.field(int8send((r).refers_record))
		|| archive.field(int2send((r).kind))
		|| archive.field(int2send((r).direction))
		|| archive.field(boolsend((r).deliverable))
		|| archive.field(convert_to((r).from_bare, 'UTF8'))
		|| archive.field(convert_to((r).from_resource, 'UTF8'))
		|| archive.field(convert_to((r).to_bare, 'UTF8'))
		|| archive.field(convert_to((r).to_resource, 'UTF8'))
		|| archive.field(convert_to((r).type, 'UTF8'))
		|| archive.field(convert_to((r).client_id, 'UTF8'))
		|| archive.field(convert_to((r).refers_to, 'UTF8'))
		|| archive.field(convert_to((r).body, 'UTF8'))
		|| archive.field(convert_to((r).stanza, 'UTF8')));

REVOKE ALL ON FUNCTION archive.field(bytea), archive.leaf(archive.record) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.field(bytea), archive.leaf(archive.record)
	TO chancery_server, chancery_reader;
