-- The roles of Chancery: who may do what in the database. A superuser runs this once in the new
-- database, before the first migration; running it again changes nothing. The tables name these
-- roles in their grants (0001 and on), so a role that is missing stops the migration.
--
--   chancery_owner      owns schemas and tables, runs migrations; the server never works as it
--   chancery_server     the server: reads the record and adds to it, nothing else; may change what
--                       is not the record (accounts, rosters); adds to the audit trail
--   chancery_reader     reads the record; granted to people and programs who search and export
--   chancery_officer    a compliance officer at work: reads the record (member of chancery_reader), its log and its
--                       index, holds and exports; changes nothing of it
--   chancery_export     the program that makes exports: reads the record (member of chancery_reader), and files and names; writes nothing
--   chancery_auditor    an auditor at work: reads the audit trail and nothing else
--   chancery_retention  a data protection officer at work, and what expires: executes the functions that erase,
--                       which refuse what is held; reads no content
--
-- The server connects as officer, auditor and retention for what those persons ask of it (deploy/compliance.md): so a mistake in it
-- cannot give anybody more than their role may. What each may do with which table the migrations say.
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
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_officer') THEN
		CREATE ROLE chancery_officer;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_auditor') THEN
		CREATE ROLE chancery_auditor;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_retention') THEN
		CREATE ROLE chancery_retention;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_export') THEN
		CREATE ROLE chancery_export;
	END IF;
END
$$;

ALTER ROLE chancery_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_server LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_reader NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_officer LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_auditor LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_retention LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE chancery_export LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- When the server drops a connection because who asked has gone, the query ends within the second.
ALTER ROLE chancery_officer SET client_connection_check_interval = '1s';
ALTER ROLE chancery_auditor SET client_connection_check_interval = '1s';
ALTER ROLE chancery_retention SET client_connection_check_interval = '1s';

-- What people say stays out of PostgreSQL's log, also where it is told to log statements, or slow ones (log_min_duration_statement).
ALTER ROLE chancery_server SET log_parameter_max_length = 0;
ALTER ROLE chancery_server SET log_parameter_max_length_on_error = 0;

-- Granted once: to grant what is granted already is only noise in the log.
DO $$
BEGIN
	IF NOT pg_catalog.pg_has_role('chancery_officer', 'chancery_reader', 'MEMBER') THEN
		GRANT chancery_reader TO chancery_officer;
	END IF;
	IF NOT pg_catalog.pg_has_role('chancery_export', 'chancery_reader', 'MEMBER') THEN
		GRANT chancery_reader TO chancery_export;
	END IF;
END
$$;

DO $$
DECLARE
	db text := pg_catalog.quote_ident(pg_catalog.current_database());
BEGIN
	-- Nobody else gets in, and nobody makes temporary tables: a name in pg_temp could stand in
	-- front of a real one.
	EXECUTE 'REVOKE ALL ON DATABASE ' || db || ' FROM PUBLIC';
	EXECUTE 'GRANT CONNECT ON DATABASE ' || db
		|| ' TO chancery_owner, chancery_server, chancery_reader, chancery_officer, chancery_auditor, chancery_retention, chancery_export';
	EXECUTE 'GRANT CREATE ON DATABASE ' || db || ' TO chancery_owner';
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- PostgreSQL lets everybody execute a new function and see a new type unless told otherwise.
ALTER DEFAULT PRIVILEGES FOR ROLE chancery_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE chancery_owner REVOKE ALL ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE chancery_owner REVOKE ALL ON SEQUENCES FROM PUBLIC;
