"""The harness of the conformance scenarios: an XMPP client that says exactly what it is told to say, and a server to
talk to. Python's standard library only."""
