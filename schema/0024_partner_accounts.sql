-- A name that is used again inherits nothing: who may talk to a partner was a person. The name stays in the list, as nobody's: an entry for some
-- must not become one for everybody.
CREATE FUNCTION chancery.partner_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	WITH was AS (SELECT * FROM chancery.partner WHERE OLD.bare = ANY (who)),
	put AS (UPDATE chancery.partner p SET who = array_replace(p.who, OLD.bare, 'deleted:' || OLD.bare), changed_at = now(),
		changed_by = 'chanceryd' FROM was WHERE p.id = was.id RETURNING p.*)
	INSERT INTO chancery.partner_history (domain, action, who, old, new, owner, reason)
		SELECT put.domain, 'change', 'chanceryd', to_jsonb(was), to_jsonb(put), put.owner, 'the account ' || OLD.bare || ' was deleted'
		FROM put JOIN was ON was.id = put.id;
	RETURN NULL;
END $$;

CREATE TRIGGER partner_forget AFTER DELETE ON chancery.account FOR EACH ROW EXECUTE FUNCTION chancery.partner_forget();
