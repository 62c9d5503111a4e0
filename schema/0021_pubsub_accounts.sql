-- Rights belong to accounts, not to names: what an account was at nodes of services ends with it. A node that nobody owns any more goes.

CREATE FUNCTION chancery.pubsub_forget() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
	touched bigint[];
	orphans bigint[];
BEGIN
	SELECT array_agg(node) INTO orphans FROM chancery.pubsub_affiliation WHERE bare = OLD.bare AND affiliation = 5;
	WITH a AS (DELETE FROM chancery.pubsub_affiliation WHERE bare = OLD.bare RETURNING node),
		s AS (DELETE FROM chancery.pubsub_subscription WHERE bare = OLD.bare RETURNING node)
		SELECT array_agg(node) INTO touched FROM (SELECT node FROM a UNION SELECT node FROM s) t;
	IF touched IS NULL THEN
		RETURN NULL;
	END IF;
	DELETE FROM chancery.pubsub_node n WHERE n.id = ANY (orphans) AND n.service IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM chancery.pubsub_affiliation f WHERE f.node = n.id AND f.affiliation = 5);
	UPDATE chancery.pubsub_node n SET
		subscribed = (SELECT count(*) FROM chancery.pubsub_subscription s WHERE s.node = n.id),
		affiliated = (SELECT count(*) FROM chancery.pubsub_affiliation f WHERE f.node = n.id)
		WHERE n.id = ANY (touched);
	RETURN NULL;
END $$;

CREATE TRIGGER pubsub_forget AFTER DELETE ON chancery.account FOR EACH ROW EXECUTE FUNCTION chancery.pubsub_forget();

-- Requests that wait for an owner.
CREATE INDEX pubsub_subscription_pending ON chancery.pubsub_subscription (node) WHERE state = 2;
