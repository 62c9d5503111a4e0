-- Retention: how long what is kept; what comes of it (server/archive/RETENTION.md). Without a class nothing goes.

-- What fits all that is given of a class belongs to it. Of several classes that a record belongs to, the longest counts; a class that names nothing is
-- for what belongs to no other. Nothing is changed here: what takes the place of a class is a new row.
CREATE TABLE compliance.retention_class (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	days int CHECK (days BETWEEN 1 AND 36500), -- NULL: for ever
	groups text[] CHECK (groups <> '{}'),      -- of the organisation: who sent it or was sent it has ever been in one of them
	rooms text[] CHECK (rooms <> '{}'),
	domains text[] CHECK (domains <> '{}'),    -- of either end
	kinds smallint[] CHECK (kinds <> '{}'),    -- enum record_kind
	reason text NOT NULL CHECK (reason <> ''),
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by text NOT NULL,
	approved_by text,
	removed_at timestamptz,
	removed_by text,
	remove_reason text,
	remove_approved_by text,
	CHECK ((removed_at IS NULL) = (removed_by IS NULL) AND (removed_at IS NULL) = (remove_reason IS NULL))
);
CREATE UNIQUE INDEX retention_class_name ON compliance.retention_class (name) WHERE removed_at IS NULL;
-- Two classes for what belongs to no other would be two answers to one question.
CREATE UNIQUE INDEX retention_class_rest ON compliance.retention_class ((true))
	WHERE removed_at IS NULL AND groups IS NULL AND rooms IS NULL AND domains IS NULL AND kinds IS NULL;

CREATE FUNCTION compliance.retention_final() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: a class that was removed stays so' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION compliance.retention_final() FROM PUBLIC;
CREATE TRIGGER retention_final BEFORE UPDATE ON compliance.retention_class FOR EACH ROW WHEN (OLD.removed_at IS NOT NULL)
	EXECUTE FUNCTION compliance.retention_final();

-- Who has ever been in which group: who leaves one, or the organisation, takes nothing out of it.
CREATE TABLE compliance.retention_member (
	bare text COLLATE "C" NOT NULL,
	member_of text NOT NULL,
	PRIMARY KEY (bare, member_of)
);
INSERT INTO compliance.retention_member (bare, member_of) SELECT DISTINCT a.bare, g FROM chancery.account a, unnest(a.groups) g;

CREATE FUNCTION compliance.retention_joined() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO compliance.retention_member (bare, member_of) SELECT NEW.bare, g FROM unnest(NEW.groups) g ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION compliance.retention_joined() FROM PUBLIC;
CREATE TRIGGER retention_joined AFTER INSERT OR UPDATE OF groups ON chancery.account FOR EACH ROW WHEN (NEW.groups <> '{}')
	EXECUTE FUNCTION compliance.retention_joined();

-- What was looked through and went. One that was interrupted goes on from `looked_to`.
CREATE TABLE compliance.retention_run (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	started_at timestamptz NOT NULL DEFAULT now(),
	asked_by text,                  -- NULL: its time had come
	now_at timestamptz NOT NULL,    -- what has expired by then goes
	looked_to bigint NOT NULL DEFAULT 0, -- ids up to here
	erased bigint NOT NULL DEFAULT 0,
	held bigint NOT NULL DEFAULT 0, -- expired, and held
	state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
	finished_at timestamptz
);
CREATE UNIQUE INDEX retention_run_one ON compliance.retention_run ((true)) WHERE state = 'running';

GRANT SELECT ON compliance.retention_class, compliance.retention_run TO chancery_server, chancery_officer, chancery_auditor, chancery_retention;
GRANT INSERT (name, days, groups, rooms, domains, kinds, reason, set_by, approved_by),
	UPDATE (removed_at, removed_by, remove_reason, remove_approved_by) ON compliance.retention_class TO chancery_retention;
GRANT INSERT (asked_by, now_at), UPDATE (looked_to, erased, held, state, finished_at) ON compliance.retention_run TO chancery_retention;

-- What has expired by `now_at` of the `most` records behind `after`, with its class. The last row has no class: it says up to where that was; when there
-- is none, all has been looked at. What is erased already and the trail of what was done (audit, erasures) do not expire.
CREATE FUNCTION archive.expired(after bigint, now_at timestamptz, most int) RETURNS TABLE (id bigint, class bigint)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	-- Nothing younger than the shortest period is looked at. An id is never behind its record's time.
	last bigint := (SELECT max((extract(epoch FROM expired.now_at - make_interval(days => c.days)) * 1000000)::bigint)
		FROM compliance.retention_class c WHERE c.removed_at IS NULL);
	upto bigint := (SELECT max(p.id) FROM (SELECT r.id FROM archive.record r WHERE r.id > after AND r.id < last ORDER BY r.id LIMIT most) p);
BEGIN
	IF upto IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY SELECT r.id, f.id FROM archive.record r, LATERAL (
			SELECT c.id, c.days FROM compliance.retention_class c WHERE c.removed_at IS NULL
			AND (c.kinds IS NULL OR r.kind = ANY (c.kinds))
			AND (c.rooms IS NULL OR r.to_bare = ANY (c.rooms) OR r.from_bare = ANY (c.rooms))
			AND (c.domains IS NULL OR substring(r.from_bare FROM '[^@]*$') = ANY (c.domains)
				OR substring(r.to_bare FROM '[^@]*$') = ANY (c.domains))
			AND (c.groups IS NULL OR EXISTS (SELECT FROM compliance.retention_member m
				WHERE m.bare IN (r.from_bare, r.to_bare) AND m.member_of = ANY (c.groups)))
			ORDER BY c.groups IS NULL AND c.rooms IS NULL AND c.domains IS NULL AND c.kinds IS NULL, c.days DESC NULLS FIRST, c.id LIMIT 1) f
		WHERE r.id > after AND r.id <= upto AND r.salt IS NOT NULL AND archive.is_erasable(r.kind, r.type)
		AND f.days IS NOT NULL AND r.at < expired.now_at - make_interval(days => f.days) ORDER BY r.id;
	id := upto;
	class := NULL;
	RETURN NEXT;
END
$$;

REVOKE ALL ON FUNCTION archive.expired(bigint, timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.expired(bigint, timestamptz, int) TO chancery_retention;
