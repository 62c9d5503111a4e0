"""Tokens (XEP-0484) that are given, and taken back, right before a fault; and what they are worth behind it."""
import time
import uuid

from chancerytest.again import Broken
from chancerytest.client import Client, Closed, PATIENCE
from chancerytest.element import escape
from device import HT

WANT = "<request-token xmlns='urn:xmpp:fast:0' mechanism='%s'/>" % HT
BIND = "<bind xmlns='urn:xmpp:bind:0'><tag>Faults</tag></bind>"


class Tokens:
    """An account with three devices, for one fault: one is given a token, one gives it up, one has it taken away."""

    made = 0

    def __init__(self, server):
        Tokens.made += 1
        self.server, self.user = server, 'key%d' % Tokens.made
        self.source = '127.10.%d.2' % (Tokens.made % 250)
        self.open = []
        server.add_users([(self.user, 'pw-' + self.user)])
        self.other = self.device()      # given long ago
        self.dropped = self.device()
        self.revoked = self.device()
        self.asker = self.line()
        assert self.asker.sasl2(agent=str(uuid.uuid4()), inner=BIND) is None
        # The password was changed long after the devices used it; the token is newer. So it is all they have.
        server.psql("update chancery.device d set password_at = password_at - interval '1 day' from chancery.account a"
                    " where a.id = d.account and a.bare = '%s'; update chancery.account set secret_at = secret_at - interval '1 hour'"
                    " where bare = '%s'" % (self.asker.bare, self.asker.bare))
        clients = self.asker.iq('get', "<list xmlns='urn:xmpp:cam:0'/>").find('cam:clients').all('client')
        self.revoked_id = [c.get('id') for c in clients if c.text('user-agent', 'device') == self.revoked[0][2]][0]

    def line(self):
        c = Client(self.server, self.user, 'pw-' + self.user, source=self.source)
        self.open.append(c)
        return c.secure(direct=True)

    def device(self):
        """(agent, token)"""
        agent, c = (str(uuid.uuid4()), 'Faults', str(uuid.uuid4())), self.line()
        assert c.sasl2(agent=agent, inner=WANT + BIND) is None and c.token is not None
        token = c.token.get('token')
        c.cut()
        return agent, token

    def turn(self):
        """The server says success to all of it; then comes the fault."""
        agent, token = self.dropped
        assert self.line().fast(token, HT, agent, attrs=" invalidate='true'", inner=BIND) is None
        e = self.asker.iq('set', "<revoke xmlns='urn:xmpp:cam:0' id='%s'/>" % escape(self.revoked_id))
        assert e.get('type') == 'result', e
        self.given = self.device()

    def fate(self, device):
        """What the server says to a device's token, when it can say anything."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                c = self.line()
                failure = c.fast(device[1], HT, device[0], inner=BIND)
                if failure != 'temporary-auth-failure':
                    return c, failure
            except (Closed, OSError):
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, 'no answer to a token'
            self.open.pop().cut()
            time.sleep(0.1)

    def check(self):
        for name in 'given', 'other':
            failure = self.fate(getattr(self, name))[1]
            if failure is not None:
                raise Broken('the token of the device "%s" is refused: %s' % (name, failure))
        for name, why in ('dropped', 'credentials-expired'), ('revoked', 'not-authorized'):
            c, failure = self.fate(getattr(self, name))
            if failure != why:
                raise Broken('the token of the device "%s" is answered with %s' % (name, failure))
            # Refused cleanly: a password is taken on the same stream.
            assert c.sasl2(agent=getattr(self, name)[0], inner=WANT + BIND) is None and c.token is not None
        for c in self.open:
            c.cut()
