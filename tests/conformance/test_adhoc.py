"""Ad-hoc commands (XEP-0050). What there is to run are the commands of service administration (XEP-0133)."""
import json
import time

from chancerytest.client import unique
from chancerytest.command import NS, Step, command, submit
from chancerytest.element import NAMES
from chancerytest.scenario import alone

ADMIN = 'http://jabber.org/protocol/admin'
ONE = ADMIN + '#get-user-lastlogin'     # with a form
NONE = ADMIN + '#get-online-users-num'  # without


def administrator(t):
    c = t.online()
    assert t.server.cli('user', 'set', c.bare, 'admin=yes')[0] == 0
    return c


def items(c, to):
    r = c.iq('get', "<query xmlns='%s' node='%s'/>" % (NAMES['items'], NS), to)
    return {i.get('node'): i for i in r.find('items:query').all('item')}


def info(c, to, node=None):
    return c.iq('get', "<query xmlns='%s'%s/>" % (NAMES['info'], " node='%s'" % node if node else ''), to)


def special(r):
    """(condition, condition of the application, type) of an error."""
    e = r.find('error')
    assert e is not None, r
    return r.condition(), ([x.name for x in e.all(ns=NS)] or [None])[0], e.get('type')


def test_discovery(t):
    """XEP-0050 §2.1, §2.2: the feature, the list, and information on a command"""
    a = administrator(t)
    assert NS in {f.get('var') for f in info(a, t.server.domain).find('info:query').all('feature')}
    found = items(a, t.server.domain)
    assert found[ONE].get('jid') == t.server.domain and found[ONE].get('name') == 'Get User Last Login Time', found
    q = info(a, t.server.domain, NS).find('info:query')
    assert ('automation', 'command-list') in {(i.get('category'), i.get('type')) for i in q.all('identity')}, q
    q = info(a, t.server.domain, ONE).find('info:query')
    assert [(i.get('category'), i.get('type'), i.get('name')) for i in q.all('identity')] == [
        ('automation', 'command-node', 'Get User Last Login Time')], q
    assert {f.get('var') for f in q.all('feature')} >= {NS, 'jabber:x:data'}, q


def test_who_may(t):
    """XEP-0050 §2.2, §4.4: the list has what one may run; the rest is forbidden, and nothing happens; a right taken is gone at once"""
    a, b = administrator(t), t.online()
    assert items(b, t.server.domain) == {}
    assert special(info(b, t.server.domain, ONE))[0] == 'forbidden'
    assert special(command(b, t.server.domain, ONE)) == ('forbidden', None, 'cancel')
    assert special(command(b, t.server.domain, ADMIN + '#delete-user', inner=submit({'accountjids': a.bare}, ADMIN)))[0] == 'forbidden'
    s = Step(command(a, t.server.domain, ONE))
    # Somebody else, and another client of the same account, cannot go on with it.
    other = t.online(a)
    assert special(command(b, t.server.domain, ONE, s.id, 'complete', submit({'accountjids': b.bare}, ADMIN)))[0] == 'forbidden'
    assert special(command(other, t.server.domain, ONE, s.id, 'complete', submit({'accountjids': b.bare}, ADMIN)))[1] == 'bad-sessionid'
    assert t.server.cli('user', 'set', a.bare, 'admin=no')[0] == 0
    r = command(a, t.server.domain, ONE, s.id, 'complete', submit({'accountjids': b.bare}, ADMIN))
    assert special(r) == ('forbidden', None, 'cancel'), r
    assert items(a, t.server.domain) == {}


def test_simple(t):
    """XEP-0050 §2.4.1, examples 7 and 8: a command without a form is done at once; another one may be begun beside it"""
    a = administrator(t)
    s = Step(command(a, t.server.domain, NONE, action='execute'))
    assert s.status == 'completed' and s.node == NONE and s.id and s.form.get('type') == 'result', s.e
    assert s.e.get('xml:lang') == 'en', s.e
    assert int(s.fields()['onlineusersnum'][0]) >= 1
    assert Step(command(a, t.server.domain, NONE)).id != s.id
    assert special(command(a, t.server.domain, NONE, s.id, 'cancel')) == ('not-allowed', 'session-expired', 'cancel')


def test_one_form(t):
    """XEP-0050 §2.4.2: a form, its actions, and the end; the session is over then"""
    a = administrator(t)
    s = Step(command(a, t.server.domain, ONE))
    assert s.status == 'executing' and s.actions == {'complete'} and s.execute == 'complete', s.e
    assert s.form.get('type') == 'form' and s.fields()['FORM_TYPE'] == [ADMIN], s.e
    # The action "execute" is "complete" here (§3.4); the default, too.
    done = Step(command(a, t.server.domain, ONE, s.id, 'execute', submit({'accountjids': a.bare}, ADMIN)))
    assert done.status == 'completed' and done.id == s.id and done.fields()['accountjids'] == [a.bare], done.e
    r = command(a, t.server.domain, ONE, s.id, None, submit({'accountjids': a.bare}, ADMIN))
    assert special(r) == ('not-allowed', 'session-expired', 'cancel'), r
    s = Step(command(a, t.server.domain, ONE))
    assert Step(command(a, t.server.domain, ONE, s.id, None, submit({'accountjids': a.bare}, ADMIN))).status == 'completed'


def test_two_forms(t):
    """XEP-0050 §2.4.2, examples 9 to 16: next, back with what was said remembered by nobody but us, next again, complete"""
    a, b = administrator(t), t.online()
    to, node = t.server.domain, ADMIN + '#edit-user-groups'
    assert t.server.cli('user', 'set', b.bare, 'group+=north', 'group+=old')[0] == 0
    s = Step(command(a, to, node))
    assert s.actions == {'next'} and s.execute == 'next' and 'accountjid' in s.fields(), s.e
    one, two = submit({'accountjid': b.bare}, ADMIN), submit({'groups': ['north', 'new']}, ADMIN)
    assert special(command(a, to, node, s.id, 'complete', one))[1] == 'bad-action', 'not the last form'
    assert special(command(a, to, node, s.id, 'prev'))[1] == 'bad-action', 'before the first form'
    n = Step(command(a, to, node, s.id, 'next', one))
    assert n.id == s.id and n.status == 'executing' and n.actions == {'prev', 'complete'} and n.execute == 'complete', n.e
    assert n.fields()['groups'] == ['north', 'old'], n.e
    assert special(command(a, to, node, s.id, 'next', two))[1] == 'bad-action', 'behind the last form'
    p = Step(command(a, to, node, s.id, 'prev'))
    assert p.actions == {'next'} and 'accountjid' in p.fields(), p.e
    n = Step(command(a, to, node, s.id, None, one))
    assert n.actions == {'prev', 'complete'} and n.fields()['groups'] == ['north', 'old'], n.e
    # What the last form lacks may be sent again.
    assert special(command(a, to, node, s.id, 'complete', submit({}, ADMIN)))[1] == 'bad-payload'
    done = Step(command(a, to, node, s.id, 'complete', two))
    assert done.status == 'completed' and done.notes == [('info', 'The groups were set.')], done.e
    assert json.loads(t.server.cli('--json', 'user', 'show', b.bare)[1])['groups'] == ['new', 'north']
    # From the second form one may cancel, too; an account that is not there ends the command with the reason.
    s = Step(command(a, to, node))
    command(a, to, node, s.id, 'next', one)
    assert Step(command(a, to, node, s.id, 'cancel')).status == 'canceled'
    s = Step(command(a, to, node))
    n = Step(command(a, to, node, s.id, 'next', submit({'accountjid': 'nobody-%s@%s' % (unique(), to)}, ADMIN)))
    assert n.status == 'completed' and n.notes[0][0] == 'error', n.e


def test_cancel(t):
    """XEP-0050 §2.4.3, examples 17 and 18: cancelled, answered, over"""
    a = administrator(t)
    s = Step(command(a, t.server.domain, ONE))
    c = Step(command(a, t.server.domain, ONE, s.id, 'cancel'))
    assert c.status == 'canceled' and c.id == s.id and c.form is None, c.e
    assert special(command(a, t.server.domain, ONE, s.id, 'cancel'))[1] == 'session-expired'


def test_errors(t):
    """XEP-0050 §4.4: each error of the table; a step refused may be tried again"""
    a = administrator(t)
    to = t.server.domain
    assert special(command(a, to, 'no-such-node')) == ('item-not-found', None, 'cancel')
    assert special(command(a, to, None))[0] == 'bad-request'
    assert special(command(a, to, ONE, action='surprise')) == ('bad-request', 'malformed-action', 'modify')
    for action in ('next', 'prev', 'complete', 'cancel'):
        assert special(command(a, to, ONE, action=action)) == ('bad-request', 'bad-action', 'modify'), action
    assert special(command(a, to, ONE, 'made-up', 'complete')) == ('bad-request', 'bad-sessionid', 'modify')
    assert special(command(a, to, ONE, '', 'complete'))[1] == 'bad-sessionid'
    s = Step(command(a, to, ONE))
    assert special(command(a, to, NONE, s.id, 'complete'))[1] == 'bad-sessionid', 'the session of another command'
    for action in ('prev', 'next'):
        assert special(command(a, to, ONE, s.id, action, submit({'accountjids': a.bare})))[1] == 'bad-action', action
    for inner in ('', "<x xmlns='urn:example:x'/>", "<x xmlns='jabber:x:data'/>", "<x xmlns='jabber:x:data' type='form'/>",
                  submit({}), submit({'accountjids': []}), submit({'accountjids': a.bare}, 'urn:example:another'),
                  "<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='a'/></x>",
                  submit({'accountjids': ['x%d@%s' % (i, to) for i in range(101)]})):
        r = command(a, to, ONE, s.id, 'complete', inner)
        assert special(r) == ('bad-request', 'bad-payload', 'modify'), (inner, r)
    assert Step(command(a, to, ONE, s.id, 'complete', submit({'accountjids': a.bare}, ADMIN))).status == 'completed'
    # A get is no command.
    assert a.iq('get', "<command xmlns='%s' node='%s'/>" % (NS, NONE), to).condition() == 'service-unavailable'


def test_bound(t):
    """Limits: a client that begins commands and forgets them keeps the newest five; the oldest is over"""
    a = administrator(t)
    begun = [Step(command(a, t.server.domain, ONE)).id for _ in range(6)]
    assert len(set(begun)) == 6
    inner = submit({'accountjids': a.bare}, ADMIN)
    assert special(command(a, t.server.domain, ONE, begun[0], 'complete', inner))[1] == 'session-expired'
    for id in begun[1:]:
        assert Step(command(a, t.server.domain, ONE, id, 'complete', inner)).status == 'completed'


@alone(limits__command_seconds='1')
def test_expires(t):
    """XEP-0050 §4.4: a command that nobody goes on with for limits.command_seconds has ended"""
    a = administrator(t)
    left = Step(command(a, t.server.domain, ONE))
    time.sleep(1.1)
    assert special(command(a, t.server.domain, ONE, left.id, 'complete', submit({'accountjids': a.bare}, ADMIN))) == (
        'not-allowed', 'session-expired', 'cancel')


def test_twice_at_once(t):
    """XEP-0050 §3.3: the same step sent twice is done once"""
    a = administrator(t)
    s = Step(command(a, t.server.domain, ONE))
    inner = "<command xmlns='%s' node='%s' sessionid='%s'>%s</command>" % (NS, ONE, s.id, submit({'accountjids': a.bare}, ADMIN))
    ids = [a.iq_send('set', inner, t.server.domain) for _ in range(2)]
    got = {e.get('id'): e for e in (a.expect(lambda e: e.name == 'iq' and e.get('id') in ids) for _ in ids)}
    assert sorted(e.get('type') for e in got.values()) == ['error', 'result'], got


def test_accounts(t):
    """XEP-0050: of somebody else's account, or of one that does not exist, nothing is told"""
    a, b = administrator(t), t.online()
    for to in (b.bare, 'nobody-%s@%s' % (unique(), t.server.domain)):
        assert command(a, to, NONE).condition() == 'service-unavailable', to
    assert special(command(a, a.bare, NONE))[0] == 'item-not-found'
    assert special(command(a, None, NONE))[0] == 'item-not-found'


def test_gone(t):
    """XEP-0050 §3.3: a session that ends takes its commands along, also while one of them is under way"""
    a = administrator(t)
    for _ in range(5):
        c = t.online(a)
        s = Step(command(c, t.server.domain, ONE))
        c.iq_send('set', "<command xmlns='%s' node='%s' sessionid='%s'>%s</command>" % (
            NS, ONE, s.id, submit({'accountjids': a.bare}, ADMIN)), t.server.domain)
        c.cut()
    assert Step(command(a, t.server.domain, NONE)).status == 'completed'
