-- Names of components of others stand for their domains in searches of the record, as those of gateways do (0048): these are the ones that are there already.

INSERT INTO chancery.gateway_name (name, domain)
	SELECT component, domain FROM chancery.component_domain ON CONFLICT DO NOTHING;
