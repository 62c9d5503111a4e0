-- A proposal is closed once: who approved it is history, for the server's role too.

CREATE FUNCTION chancery.partner_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: a proposal is closed once' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION chancery.partner_closed() FROM PUBLIC;

CREATE TRIGGER partner_closed BEFORE UPDATE ON chancery.partner_proposal FOR EACH ROW
	WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION chancery.partner_closed();
