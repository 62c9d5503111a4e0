-- The roles of Chancery: who may do what in the database. A superuser runs this once in the new
-- database, before the first migration; running it again changes nothing. The tables name these
-- roles in their grants (0001 and on), so a role that is missing stops the migration.
--
--   chancery_owner      owns schemas and tables, runs migrations; the server never works as it
--   chancery_server     the server: reads the record and adds to it, nothing else; may change what
--                       is not the record (accounts, rosters); adds to the audit trail
--   chancery_reader     reads the record; granted to people and programs who search and export
--   chancery_retention  will erase content that is due; owns nothing and may do nothing yet
--
-- None has a password: they are reached over the unix socket with peer authentication and an ident
-- map, or the installer sets what pg_hba.conf asks for.

DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_owner') THEN
		CREATE ROLE chancery_owner;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_server') THEN
		CREATE ROLE chancery_server;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_reader') THEN
		CREATE ROLE chancery_reader;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_retention') THEN
		CREATE ROLE chancery_retention;
	END IF;
END
$$;

ALTER ROLE chancery_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_server LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_reader NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_retention NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

DO $$
DECLARE
	db text := pg_catalog.quote_ident(pg_catalog.current_database());
BEGIN
	-- Nobody else gets in, and nobody makes temporary tables: a name in pg_temp could stand in
	-- front of a real one.
	EXECUTE 'REVOKE ALL ON DATABASE ' || db || ' FROM PUBLIC';
	EXECUTE 'GRANT CONNECT ON DATABASE ' || db
		|| ' TO chancery_owner, chancery_server, chancery_reader, chancery_retention';
	EXECUTE 'GRANT CREATE ON DATABASE ' || db || ' TO chancery_owner';
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- PostgreSQL lets everybody execute a new function and see a new type unless told otherwise.
ALTER DEFAULT PRIVILEGES FOR ROLE chancery_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE chancery_owner REVOKE ALL ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE chancery_owner REVOKE ALL ON SEQUENCES FROM PUBLIC;
