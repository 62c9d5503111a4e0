-- A name that is used again inherits nothing: what a deleted account was in rooms goes with it. A ban stays.
CREATE FUNCTION chancery.room_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM chancery.room_affiliate WHERE jid = OLD.bare AND affiliation <> 0;
	RETURN NULL;
END $$;

CREATE TRIGGER room_forget AFTER DELETE ON chancery.account FOR EACH ROW EXECUTE FUNCTION chancery.room_forget();
