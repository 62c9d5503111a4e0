"""Policy while a network is in use: rights, groups and modes that change, an account that goes, a network that is switched off (deploy/gateways.md). End to end with
the worked example's network."""
import json
import os
import shutil

from behaviours import World, codes, escaped, failed, joined, local, occupant, said
from chancerytest.client import unique
from chancerytest.scenario import alone
from test_admin import ok, rows
from test_line import Driver

MODES = ['relay', 'account']
COMMANDS = 'http://jabber.org/protocol/commands'


def world(t, rights=('send', 'receive', 'join', 'own-account'), **settings):
    return World(t, Driver, rights=rights, **dict({'modes': MODES}, **settings))


def group(t, c, name, op='+='):
    ok(t, 'user', 'set', c.bare, 'group%s%s' % (op, name))


def allow(w, *rights):
    ok(w.t, 'gateway', 'allow', w.name, 'everyone', *[x for r in rights for x in ('--right', r)])


def form(c, w):
    return c.iq('get', "<query xmlns='jabber:iq:register'/>", w.domain).all()[0]


def submit(c, w, name):
    return c.iq('set', "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:iq:register</value></field>"
                "<field var='name'><value>%s</value></field></x></query>" % name, w.domain)


def command(c, w, node, inner=''):
    return c.iq('set', "<command xmlns='%s' node='%s'>%s</command>" % (COMMANDS, node, inner), w.domain)


def note(c, w):
    return command(c, w, 'status').all()[0].text('note')


def speaks(w, c, bob, text, as_):
    c.message(w.jid(bob.address), text)
    line = bob._expect('MSG', text)
    assert line.split(' ')[2] == as_ + '@line', line


# Accounts of one's own

def test_registration(t):
    """Policy: an account of one's own by form, changed by a command, shown by a command, taken back; its password is in no record and not in the clear"""
    w = world(t)
    romeo, bob, one, two = w.clients[0], w.driver.person('bob'), unique('montague').lower(), unique('capulet').lower()
    q = form(romeo, w)
    assert q.find('registered') is None and [f.get('var') for f in q.find('x').all('field')] == ['FORM_TYPE', 'name'], q
    assert submit(romeo, w, '').condition() == 'not-acceptable'
    assert submit(romeo, w, one).get('type') == 'result'
    romeo.expect_presence('subscribe', w.domain)
    assert form(romeo, w).find('registered') is not None
    speaks(w, romeo, bob, 'by form', one)
    assert 'an account of your own' in note(romeo, w)
    x = command(romeo, w, 'login').all()[0]
    assert x.get('status') == 'executing' and x.find('x') is not None, x
    r = command(romeo, w, 'login', "<x xmlns='jabber:x:data' type='submit'><field var='name'><value>%s</value></field></x>" % two)
    assert r.all()[0].get('status') == 'completed', r
    speaks(w, romeo, bob, 'by command', two)
    assert [u['mode'] for u in rows(t, 'gateway', 'users', w.name)] == ['account']
    assert not t.server.records("stanza like '%%%s%%' and to_bare = '%s'" % (one, w.domain), 'id')
    assert t.server.value("select count(*) from chancery.gateway_credential where gateway = '%s' and encode(sealed, 'escape') like '%%%s%%'" % (w.name, two)) == '0'
    assert romeo.iq('set', "<query xmlns='jabber:iq:register'><remove/></query>", w.domain).get('type') == 'result'
    assert romeo.iq('set', "<query xmlns='jabber:iq:register'><remove/></query>", w.domain).condition() == 'registration-required'
    assert rows(t, 'gateway', 'users', w.name) == []
    assert t.server.value("select count(*) from chancery.gateway_credential where gateway = '%s'" % w.name) == '0'


def test_old_registration(t):
    """XEP-0100 §4.1, §4.2: an account of one's own without a form, by the fields of XEP-0077; what is on record is shown who changes it"""
    w = world(t)
    romeo, bob, name = w.clients[0], w.driver.person('bob'), unique('montague').lower()
    q = form(romeo, w)
    assert q.text('instructions') and q.find('name') is not None and q.text('name') in (None, ''), q
    assert romeo.iq('set', "<query xmlns='jabber:iq:register'><name>%s</name></query>" % name, w.domain).get('type') == 'result'
    romeo.expect_presence('subscribe', w.domain)
    speaks(w, romeo, bob, 'without a form', name)
    q = form(romeo, w)
    value = [f.text('value') for f in q.find('x').all('field') if f.get('var') == 'name']
    assert q.find('registered') is not None and q.text('name') == name and value == [name], q


def test_gateway_is_back(t):
    """XEP-0100 §4.5, §8: who takes leave of a gateway has an answer; one that begins says so to who is registered with it, and learns who of them is there"""
    w = world(t)
    romeo = w.clients[0]
    assert submit(romeo, w, unique('montague').lower()).get('type') == 'result'
    romeo.expect_presence('subscribe', w.domain)
    romeo.presence('subscribed', to=w.domain)
    romeo.presence('subscribe', to=w.domain)
    romeo.expect_presence('subscribed', w.domain)
    romeo.presence('unavailable', to=w.domain)
    romeo.expect_presence('unavailable', w.domain)
    romeo.presence(to=w.domain)
    w.stop()
    romeo.ping()
    romeo.heard.clear()
    w.start()
    romeo.expect_presence(None, w.domain)


def test_refused_login(t):
    """Policy: an account that the network does not take: who brought it is told why; what they write comes back, and goes out when they log in by another"""
    w = world(t)
    romeo, bob, name = w.clients[0], w.driver.person('bob'), unique('montague').lower()
    assert submit(romeo, w, unique('barred').lower()).get('type') == 'result'
    said(romeo, 'you are not wanted here', w.domain)
    e = romeo.expect_presence('error', w.domain)
    assert e.condition() == 'not-authorized', e
    id = romeo.message(w.jid(bob.address), 'refused')
    e = failed(romeo, id)
    assert e.condition() == 'not-authorized' and e.find('error').text('text') == 'you are not wanted here', e
    assert 'refused' in note(romeo, w)
    assert submit(romeo, w, name).get('type') == 'result'
    speaks(w, romeo, bob, 'welcome', name)


def test_registration_race(t):
    """Policy: two changes of a registration at once do not mix: one is told to wait, and what is there is one of them as a whole"""
    w = world(t)
    romeo, bob = w.clients[0], w.driver.person('bob')
    query = "<query xmlns='jabber:iq:register'>%s</query>"
    names = [unique('montague').lower() for _ in range(3)]
    ids = [romeo.iq_send('set', query % ('<name>%s</name>' % n), to=w.domain) for n in names] + [romeo.iq_send('set', query % '<remove/>', to=w.domain)]
    answers = [romeo.expect(lambda e, id=id: e.name == 'iq' and e.get('id') == id) for id in ids]
    taken = [n for n, a in zip(names, answers) if a.get('type') == 'result']
    assert names[0] in taken, answers
    for a in answers:
        assert a.get('type') == 'result' or a.condition() in ('resource-constraint', 'registration-required'), a
    if answers[-1].get('type') != 'result':
        speaks(w, romeo, bob, 'who am I', taken[-1])


def test_own_account_withdrawn(t):
    """Policy: the right to an account of one's own is taken while it is in use: the session ends and says why; given again, it is back"""
    w = world(t)
    romeo, bob, name = w.clients[0], w.driver.person('bob'), unique('montague').lower()
    assert submit(romeo, w, name).get('type') == 'result'
    speaks(w, romeo, bob, 'mine', name)
    allow(w, 'send', 'receive')
    romeo.expect(lambda e: e.name == 'message' and e.get('from') == w.domain and 'your organisation does not let you' in (e.text('body') or ''), 'the reason')
    e = failed(romeo, romeo.message(w.jid(bob.address), 'not any more'))
    assert e.condition() == 'not-authorized' and 'organisation' in e.find('error').text('text'), e
    command(romeo, w, 'connect')
    failed(romeo, romeo.message(w.jid(bob.address), 'nor by force'))
    assert submit(romeo, w, name).condition() == 'forbidden'
    allow(w, 'send', 'receive', 'own-account')
    t.server.wait(lambda: note(romeo, w).startswith('Line: connected'), 'the session')
    speaks(w, romeo, bob, 'mine again', name)


def test_modes_change(t):
    """Policy: accounts of one's own, and the organisation's name, are switched off by the settings while they are in use"""
    w = world(t)
    romeo, bob, name = w.clients[0], w.driver.person('bob'), unique('montague').lower()
    nurse = t.online()

    def modes(*m):
        ok(t, 'gateway', 'set', w.name, '--settings', '-', stdin=json.dumps({'modes': m, 'network': w.driver.network()}))

    assert submit(romeo, w, name).get('type') == 'result'
    speaks(w, romeo, bob, 'mine', name)
    speaks(w, nurse, bob, 'the name of all', local(nurse))
    modes('relay')
    said(romeo, "accounts of one's own are not used here any more", w.domain)
    assert failed(romeo, romeo.message(w.jid(bob.address), 'x')).condition() == 'not-authorized'
    speaks(w, nurse, bob, 'still', local(nurse))
    modes('account')
    t.server.wait(lambda: 'refused' in note(nurse, w), 'the end of it')
    assert failed(nurse, nurse.message(w.jid(bob.address), 'x')).condition() == 'not-authorized'
    command(romeo, w, 'connect')
    speaks(w, romeo, bob, 'mine again', name)


def test_account_deleted(t):
    """Policy: an account is deleted while it uses the network: whoever gets the name has nothing of it, neither session nor rooms"""
    w = world(t)
    romeo, bob, name, hall = w.clients[0], w.driver.person('bob'), unique('montague').lower(), '#' + unique('hall').lower()
    bob.join(hall)
    assert submit(romeo, w, name).get('type') == 'result'
    joined(romeo, w.jid(hall), 'romeo')
    bob._expect('IN ' + hall, 'romeo')
    ok(t, 'user', 'delete', romeo.bare)
    bob._expect('OUT ' + hall, 'romeo')
    assert t.server.value("select count(*) from chancery.gateway_data where gateway = '%s' and jid = '%s'" % (w.name, romeo.bare)) == '0'
    ok(t, 'user', 'add', romeo.bare, '--password-stdin', stdin='another\n')
    speaks(w, t.online((local(romeo), 'another')), bob, 'another person', local(romeo))


def test_account_disabled(t):
    """Policy: an account is disabled while it uses the network: session and rooms end, and do not come back with the program; enabled, its own account is back"""
    w = world(t)
    romeo, bob, name, hall = w.clients[0], w.driver.person('bob'), unique('montague').lower(), '#' + unique('hall').lower()
    bob.join(hall)
    assert submit(romeo, w, name).get('type') == 'result'
    speaks(w, romeo, bob, 'mine', name)
    joined(romeo, w.jid(hall), 'romeo')
    bob._expect('IN ' + hall, 'romeo')

    def reads():
        return t.server.value("select count(*) from chancery.audit where action = 'gateway.credential.read' and target = '%s'" % romeo.bare)

    ok(t, 'user', 'disable', romeo.bare)
    bob._expect('OUT ' + hall, 'romeo')
    t.server.wait(lambda: w.log().count('user-barred') == 1, 'the program to know')
    bob._say('MSG', 'm1', name + '@line', 'are you there?')
    bob._expect('NO m1', '')
    before = reads()
    w.stop()
    w.start()
    t.server.wait(lambda: w.log().count('user-barred') == 2, 'the program to know')
    assert reads() == before and [u['mode'] for u in rows(t, 'gateway', 'users', w.name)] == ['account']
    ok(t, 'user', 'enable', romeo.bare)
    bob.say(name, 'are you back?')
    again = t.online((local(romeo), romeo.password))
    said(again, 'are you back?')
    speaks(w, again, bob, 'mine again', name)


# Rights and groups

def test_right_withdrawn(t):
    """Policy: who is taken out of the group that may is out of its rooms, with the reason, and cannot write; back in it, they can"""
    w = world(t, rights=())
    romeo, nurse, bob, hall = w.clients[0], t.online(), w.driver.person('bob'), '#' + unique('hall').lower()
    ok(t, 'gateway', 'forget', w.name, 'everyone')
    staff = unique('staff')
    ok(t, 'gateway', 'allow', w.name, staff)
    for c in romeo, nurse:
        group(t, c, staff)
    bob.join(hall)
    joined(romeo, w.jid(hall), 'romeo')
    joined(nurse, w.jid(hall), 'nurse')
    group(t, romeo, staff, '-=')
    e = occupant(romeo, w.jid(hall), 'romeo', 'unavailable')
    assert codes(e) == {'110', '307'} and 'organisation' in e.text('status'), e
    occupant(nurse, w.jid(hall), 'romeo', 'unavailable')
    assert failed(romeo, romeo.message(w.jid(bob.address), 'x')).condition() == 'forbidden'
    nurse.message(w.jid(hall), 'where is he?', type='groupchat')
    bob.heard_in(hall, 'where is he?')
    group(t, romeo, staff)
    romeo.message(w.jid(bob.address), 'back')
    bob.heard('back')


def test_by_group(t):
    """Policy: direction, files and rates by group, each with its error; what is refused goes nowhere and is not recorded"""
    w = world(t, rights=())
    romeo, juliet, bob = w.clients[0], t.online(), w.driver.person('bob')
    ok(t, 'gateway', 'forget', w.name, 'everyone')
    out, in_ = unique('out'), unique('in')
    ok(t, 'gateway', 'allow', w.name, out, '--right', 'send', '--per-minute', '3')
    ok(t, 'gateway', 'allow', w.name, in_, '--right', 'receive')
    group(t, romeo, out)
    group(t, juliet, in_)
    jid, link = w.jid(bob.address), "<x xmlns='jabber:x:oob'><url>https://files.example.net/f.txt</url></x>"
    assert failed(romeo, romeo.message(jid, 'take this', inner=link)).condition() == 'not-acceptable'
    assert failed(juliet, juliet.message(jid, 'not out')).condition() == 'forbidden'
    for i in range(3):
        romeo.message(jid, 'out %d' % i)
        bob.heard('out %d' % i)
    e = failed(romeo, romeo.message(jid, 'too much'))
    assert (e.condition(), e.find('error').get('type')) == ('policy-violation', 'wait'), e
    bob.say(local(romeo), 'not in')
    juliet.presence(to=w.domain)
    bob.say(local(juliet), 'in')
    said(juliet, 'in')
    t.server.wait(lambda: rows(t, 'gateway', 'show', w.name)[0]['stats'].get('refused', 0) >= 1, 'the refusal')
    assert not romeo.heard_any(lambda e: e.text('body') == 'not in')
    assert not t.server.records("body in ('not out', 'take this', 'not in', 'too much') and (from_bare = '%s' or to_bare = '%s')" % (jid, jid), 'id')


def test_disclaimer(t):
    """Policy: the organisation's words go below what is said to somebody first, and again only after a day"""
    w = world(t, disclaimer='This is recorded.')
    romeo, bob, eve = w.clients[0], w.driver.person('bob'), w.driver.person('eve')
    romeo.message(w.jid(bob.address), 'first')
    bob._expect('MSG', 'first This is recorded.')
    romeo.message(w.jid(bob.address), 'second')
    romeo.message(w.jid(bob.address), 'third')
    assert bob._expect('', '').endswith(' second') and bob._expect('', '').endswith(' third')
    romeo.message(w.jid(eve.address), 'to another')
    eve._expect('MSG', 'to another This is recorded.')


# Off

@alone(gateways__programs='programs')
def test_off_in_use(t):
    """Policy: a network is switched off while it is in use: rooms say so, messages on their way come back, its program ends in order; on again, it is used again"""
    driver = Driver(t)
    driver.start_server()
    folder = os.path.join(os.path.dirname(t.server.env['CHANCERY_CONFIG']), 'programs')
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    shutil.copy(driver.program, os.path.join(folder, 'chancery-gateway-line'))
    name, romeo, nurse, bob, hall = unique('gw').lower(), t.online(), t.online(), driver.person('bob'), '#' + unique('hall').lower()
    domain = '%s.%s' % (name, t.server.domain)
    ok(t, 'gateway', 'add', name, 'line', domain, '--settings', '-', stdin=json.dumps({'network': driver.network()}))
    ok(t, 'gateway', 'allow', name, 'everyone')

    def show():
        return rows(t, 'gateway', 'show', name)[0]

    def jid(foreign):
        return '%s@%s' % (escaped(foreign), domain)

    t.server.wait(lambda: show()['connected'], 'the gateway')
    bob.join(hall)
    for c in romeo, nurse:
        joined(c, jid(hall), local(c))
    romeo.presence('subscribe', to=jid(bob.address))
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == jid(bob.address) and e.get('type') is None, 'bob')
    flying = romeo.message(jid('silence@line'), 'on its way')
    t.server.wait(lambda: '1 messages on their way' in romeo.iq('set', "<command xmlns='%s' node='status'/>" % COMMANDS, domain).all()[0].text('note'), 'it to be there')
    ok(t, 'gateway', 'disable', name)
    for c in romeo, nurse:
        e = occupant(c, jid(hall), local(c), 'unavailable')
        assert codes(e) == {'110', '332'} and 'switched off' in e.text('status'), e
    e = failed(romeo, flying)
    assert e.condition() == 'service-unavailable', e
    romeo.expect(lambda e: e.name == 'presence' and e.get('from') == jid(bob.address) and e.get('type') == 'unavailable', 'bob to go')
    bob._expect('OUT ' + hall, local(nurse))
    t.server.wait(lambda: show()['program']['state'] == 'off', 'its end')
    for to, type in (jid(bob.address), 'chat'), (jid(hall), 'groupchat'):
        assert failed(romeo, romeo.message(to, 'off', type=type)).condition() == 'service-unavailable'
    log = t.server.log()
    for word in 'gateway-killed', 'gateway-died', 'gateway-not-ended':
        assert word not in log, log[-3000:]
    ok(t, 'gateway', 'enable', name)
    t.server.wait(lambda: show()['connected'], 'the gateway')
    romeo.message(jid(bob.address), 'on again')
    bob.heard('on again')
    assert t.server.value("select count(*) from chancery.gateway_data where gateway = '%s' and key like 'seat/%%'" % name) == '0'
