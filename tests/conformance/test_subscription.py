"""The tables of RFC 6121's Appendix A, of both sides at once: two people say to each other whatever comes, in an order by chance."""
import random
import time

from chancerytest.client import PATIENCE

# By the nine states of the appendix: None, To, From, Both; O: pending out, I: pending in. '+': passed on, and the state it leads to.
STATES = 'N NO NI NOI T TI F FO B'.split()
OUT = {  # A.2
    'subscribe': '+NO +NO +NOI +NOI +T +TI +FO +FO +B',
    'unsubscribe': '+N +N +NI +NI +N +NI +F +F +F',
    'subscribed': 'N NO +F +FO T +B F FO B',
    'unsubscribed': 'N NO +N +NO T +T +N +NO +T',
}
IN = {  # A.3
    'subscribe': '+NI +NOI NI NOI +TI TI F FO B',
    'unsubscribe': 'N NO +N +NO T +T +N +NO +T',
    'subscribed': 'N +T NI +TI T TI F +B B',
    'unsubscribed': 'N +N NI +NI +N +NI F +F +F',
}
NAMES = {'N': 'none', 'T': 'to', 'F': 'from', 'B': 'both'}


class Side:
    """One of the two: the client, the state as it has to be, and what the client still has to hear."""

    def __init__(self, client):
        self.client, self.state, self.approved, self.hears = client, 'N', False, []

    def step(self, table, kind):
        cell = table[kind].split()[STATES.index(self.state)]
        self.state = cell.lstrip('+')
        return cell[0] == '+'

    def says(self, kind, other):
        passed = self.step(OUT, kind)
        if kind == 'subscribed':        # §3.4.1: who has not asked is approved in advance
            self.approved = not passed and self.state[0] not in 'FB'
        elif kind == 'unsubscribed':
            self.approved = False
        if passed:
            other.hear(kind, self)

    def hear(self, kind, other):
        if kind == 'subscribe' and (self.state[0] in 'FB' or self.approved):
            if self.approved:           # §3.4.2: answered for them, and used up
                self.approved, self.state = False, {'N': 'F', 'NO': 'FO', 'T': 'B'}[self.state]
            other.hear('subscribed', self)      # §3.1.3
        elif self.step(IN, kind):
            self.hears.append(kind)

    def wanted(self):
        return NAMES[self.state[0]], 'O' in self.state, self.approved

    def shown(self, other):
        items = [i for i in self.client.roster().find('roster:query').all('item') if i.get('jid') == other.client.bare]
        if not items:
            return 'none', False, False
        i = items[0]
        return i.get('subscription'), i.get('ask') == 'subscribe', i.get('approved') in ('true', '1')

    def check(self, other, said):
        """What is heard comes, in order; the roster becomes what it has to be."""
        for kind in self.hears:
            e = self.client.expect(lambda e: e.name == 'presence' and e.get('type') in OUT, '%s after %s' % (kind, said))
            assert (e.get('type'), e.get('from')) == (kind, other.client.bare), (e, said)
        self.hears.clear()
        deadline = time.monotonic() + PATIENCE
        while self.shown(other) != self.wanted():
            assert time.monotonic() < deadline, (self.shown(other), self.wanted(), said)
        stray = self.client.heard_any(lambda e: e.name == 'presence' and e.get('type') in OUT)
        assert not stray, (stray, said)
        self.client.heard.clear()


def walk(t, seed, steps):
    chance = random.Random(seed)
    a, b = Side(t.online()), Side(t.online())
    said = []
    for side in (a, b):
        side.client.roster()
    for _ in range(steps):
        x, y = chance.choice(((a, b), (b, a)))
        kind = chance.choice(sorted(OUT))
        said.append(('ab'[x is b], kind, a.state, b.state))
        x.client.presence(kind, to=y.client.bare)
        x.says(kind, y)
        # Order holds: behind the answer all that was said is done, and what is not passed on has not come.
        x.client.iq('get', "<ping xmlns='urn:xmpp:ping'/>", to=y.client.bare)
        for side, other in ((x, y), (y, x)):
            side.check(other, said[-4:])
    return {s for _, _, *states in said for s in states}


def test_walk(t):
    """RFC 6121 §A.2, §A.3, §3.1.3, §3.4: rosters and what is delivered are as the tables say, state by state"""
    assert set().union(*(walk(t, seed, 40) for seed in range(4))) == set(STATES)
