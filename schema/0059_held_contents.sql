-- Contents that erasures have left to nobody and that are held are asked about again a day later, or when a hold has been released, and not each minute.

CREATE OR REPLACE FUNCTION chancery.file_orphans(most int) RETURNS SETOF bytea
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.sha256 FROM chancery.file f WHERE f.seen_at < now() - interval '1 minute'
		AND (f.held_at IS NULL OR f.held_at < now() - interval '1 day')
		AND EXISTS (SELECT FROM archive.erasure)
		AND NOT EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = f.sha256)
		AND NOT EXISTS (SELECT FROM chancery.file_event e WHERE e.sha256 = f.sha256 AND e.path NOT IN ('download', 'rescan', 'quarantine', 'link'))
		ORDER BY f.held_at NULLS FIRST LIMIT most
$$;

CREATE FUNCTION compliance.hold_released() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE chancery.file SET held_at = NULL WHERE held_at IS NOT NULL;
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION compliance.hold_released() FROM PUBLIC;
CREATE TRIGGER hold_released AFTER UPDATE OF released_at ON compliance.hold FOR EACH ROW WHEN (NEW.released_at IS NOT NULL)
	EXECUTE FUNCTION compliance.hold_released();
