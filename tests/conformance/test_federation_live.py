"""Partners that are changed while they talk, and `chancery federation test`, `pin`, `show` and `report` (issue 5, "CLI" and "At once")."""
import datetime
import json
import subprocess
import threading
import time

from chancerytest import dns
from chancerytest.ca import Authority, pin
from chancerytest.client import Closed, unique
from chancerytest.scenario import alone
from test_admin import ok, rows, fails

WHY = ('--reason', 'a test of the tests')


def entry(t, d):
    return rows(t, 'federation', 'show', d)[0]


def talk(t, **how):
    """A partner with a stream in each direction, and a client of ours."""
    p, romeo = t.partner(**how), t.online()
    romeo.message(p.jid(), 'out')
    p.expect_message('out')
    p.message(romeo.jid, 'in')
    romeo.expect_message('in')
    return p, romeo


def refused(c, to, condition='not-allowed'):
    id = c.message(to, 'refused?')
    e = c.expect(lambda e: e.get('type') == 'error' and e.get('id') == id, 'the error')
    assert e.condition() == condition, e
    return e


def ended(p):
    """All its streams end, by policy."""
    for s in p.streams:
        condition = s.expect_end()
        assert condition == 'policy-violation', condition
        s.close()
    p.streams, p.out = [], None


def in_background(t, *args):
    """The command runs while the scenario answers; join() gives code, output, errors."""
    class Run(threading.Thread):
        def run(self):
            self.result = t.server.cli(*args)

        def join(self, timeout=60):
            super().join(timeout)
            assert not self.is_alive(), 'still running: %s' % (args,)
            return self.result
    r = Run(daemon=True)
    r.start()
    return r


# -- At once -------------------------------------------------------------------------------------------------------------------


def test_deny(t):
    """Issue 5, "At once": who is denied loses both streams before the command returns, and nobody here can write there; allowed again, all is well"""
    p, romeo = talk(t)
    p.deny()
    ended(p)
    e = refused(romeo, p.jid())
    assert e.find('error').get('type') in ('cancel', 'auth'), e
    s = p.stream()
    try:
        s.connect(direct=True).open().expect_features()
        raise AssertionError('let in')
    except Closed:
        assert s.error is not None, 'no stream error'
    p.allow()
    romeo.message(p.jid(), 'again')
    p.expect_message('again')
    p.message(romeo.jid, 'and back')
    romeo.expect_message('and back')


def test_deny_returns(t):
    """Issue 5, "At once": what waits for a partner goes back to its senders when that is denied"""
    p, romeo = t.partner(listen=False), t.online()
    name = '_xmpp-server._tcp.' + p.domain
    t.server.dns.set(name, dns.srv(0, 0, 9, 'host.' + p.domain))
    t.server.dns.trouble('host.' + p.domain, dns.SILENT)
    ids = [romeo.message(p.jid(), 'm%d' % i) for i in range(5)]
    romeo.iq('get', "<ping xmlns='urn:xmpp:ping'/>", t.server.domain)
    p.deny()
    for id in ids:
        e = romeo.expect(lambda e: e.get('type') == 'error' and e.get('id') == id, 'the error for ' + id)
        assert e.condition() == 'not-allowed', e


def test_direction(t):
    """Issue 5: an entry for one direction ends what goes the other way, and lets the rest be"""
    p, romeo = talk(t)
    p.allow('--direction', 'in')
    out = [s for s in p.streams if s is not p.out][0]
    assert out.expect_end() == 'policy-violation'
    refused(romeo, p.jid())
    p.message(romeo.jid, 'still')
    romeo.expect_message('still')


def test_pins_change(t):
    """Issue 5: a stream that was let in with a key that is trusted no longer ends; both keys are good while they are both pinned"""
    p = t.partner(allow=None)
    mine, other = pin(p.certificate), pin(Authority().certificate('x.test'))
    p.allow('--pin', mine)
    romeo = t.online()
    romeo.message(p.jid(), 'pinned')
    p.expect_message('pinned')
    p.allow('--pin', mine, '--pin', other)
    romeo.message(p.jid(), 'both')
    p.expect_message('both')
    p.allow('--pin', other)
    ended(p)


def test_expiry(t):
    """Issue 5: expiry acts by itself, within a second, after a warning, and is in the audit trail"""
    p, romeo = talk(t)
    # A hundred milliseconds would do, but the machine may be busy while the command starts: as long as another one takes, several times.
    began = time.monotonic()
    t.server.cli('federation', 'show', p.domain)
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1 + 5 * (time.monotonic() - began))
    p.allow('--expires', at.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3] + 'Z')
    ended(p)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert now >= at, (now, at)
    e = entry(t, p.domain)
    assert e['state'] == 'expired', e
    refused(romeo, p.jid())
    t.server.wait(lambda: t.server.value("select count(*) from chancery.audit where action = 'federation.expired' and target = '%s'" % p.domain)
                  == '1', 'the audit row')
    lines = [x for x in t.server.log().split('\n') if 'domain=%s ' % p.domain in x]
    assert any(' partner-expires ' in x for x in lines) and any(' partner-expired ' in x for x in lines), lines
    p.allow('--expires', 'never')
    romeo.message(p.jid(), 'again')
    p.expect_message('again')


def test_name_again(t):
    """Rights belong to a person, not to a name: who has a deleted account's name may not what that one might; nor may everybody now"""
    name, password = t.user()
    jid, p, other = '%s@%s' % (name, t.server.domain), t.partner(), t.online()
    p.allow('--who', jid)
    romeo = t.online((name, password))
    romeo.message(p.jid(), 'by name')
    p.expect_message('by name')
    refused(other, p.jid())
    ok(t, 'user', 'delete', jid)
    t.server.wait(lambda: entry(t, p.domain)['who'] == ['deleted:' + jid], 'the name to go')
    assert 'was deleted' in entry(t, p.domain)['history'][0]['reason']
    t.server.add_users([(name, password)])
    romeo = t.online((name, password))
    t.server.wait(lambda: 'error' == said(romeo, p), 'the new one to be refused')
    refused(other, p.jid())


def said(c, p):
    """Whether a message has come back."""
    id = c.message(p.jid(), 'again?')
    c.iq('get', "<ping xmlns='urn:xmpp:ping'/>", c.domain)
    return 'error' if c.heard_any(lambda e: e.get('id') == id and e.get('type') == 'error') else None


# -- Refusals ------------------------------------------------------------------------------------------------------------------


def knock(t, domain):
    """A server that nobody has allowed; the stream error that it gets."""
    s = t.s2s(domain)
    try:
        s.connect()
        s.open().expect_features()
        raise AssertionError('let in')
    except Closed:
        return s.error.condition() if s.error is not None else None
    finally:
        s.cut()


def test_refusals(t):
    """Issue 5: who is not allowed is refused, counted by domain and reason, told in the log once a minute and in the audit trail once a day"""
    d, before = unique('evil').lower() + '.example', t.server.metric('chancery_partner_refused_in_total')
    for _ in range(3):
        assert knock(t, d) is not None
    t.server.wait(lambda: t.server.value("select sum(count) from chancery.partner_refusal where domain = '%s'" % d) == '3', 'the count')
    assert t.server.metric('chancery_partner_refused_in_total') >= before + 3
    row = t.server.psql("select direction, why, address <> '', day = current_date from chancery.partner_refusal where domain = '%s'" % d)
    assert len(row) == 1 and row[0][0] == '1' and row[0][1] == 'not-allowed' and row[0][2:] == ['t', 't'], row
    assert t.server.value("select count(*) from chancery.audit where action = 'federation.refused' and target = '%s'" % d) == '1'
    lines = [x for x in t.server.log().split('\n') if 'federation-refused' in x and 'domain=%s ' % d in x]
    assert len(lines) == 1, lines
    romeo = t.online()
    refused(romeo, 'juliet@' + d)
    r = t.server.wait(lambda: len(entry(t, d)['refusals']) == 2 and entry(t, d), 'the other direction')
    assert {x['direction'] for x in r['refusals']} == {'in', 'out'} and r['state'] == 'not allowed', r
    out = ok(t, 'federation', 'report', '--since', '1d')
    assert d in out and 'REFUSED' in out, out


@alone(limits__partner_refusals='10')
def test_refusals_bound(t):
    """limits.partner_refusals: more domains than that are only counted"""
    for i in range(25):
        knock(t, 'evil%d.example' % i)
    t.server.wait(lambda: t.server.value('select sum(count) from chancery.partner_refusal') is not None
                  and t.server.metric('chancery_partner_refused_unnamed_total') + int(t.server.value('select sum(count) from chancery.partner_refusal'))
                  == 25, 'all to be counted')
    assert t.server.value('select count(*) from chancery.partner_refusal') == '10'
    assert t.server.metric('chancery_partner_refused_in_total') == 25
    assert int(t.server.value("select count(*) from chancery.audit where action = 'federation.refused'")) <= 10


# -- What is shown -------------------------------------------------------------------------------------------------------------


def test_show_streams(t):
    """Issue 5: show has the live streams: direction, who proved what, how much went"""
    p, romeo = talk(t)
    found = {s['direction']: s for s in entry(t, p.domain)['streams']}
    assert set(found) == {'in', 'out'}, found
    for direction, s in found.items():
        assert (s['state'], s['how'], s['remote'], s['local']) == ('ready', 'EXTERNAL', p.domain, t.server.domain), s
        assert s['tls'].startswith('TLSv1.') and len(s['fingerprint']) == 64 and s['made_here'] == (direction == 'out'), s
    assert found['in']['in'] == 1 and found['out']['out'] >= 1, found
    assert 'Streams now' in ok(t, 'federation', 'show', p.domain)
    sub = entry(t, p.domain)
    p.deny()
    assert sub['state'] == 'in force' and entry(t, p.domain)['streams'] == [] or all(
        s['state'] != 'ready' for s in entry(t, p.domain)['streams'])


def test_report(t):
    """Issue 5: report: domain, user, messages in and out, from the record"""
    p, romeo = talk(t)
    for i in range(3):
        p.message(romeo.jid, 'more %d' % i)
        romeo.expect_message('more %d' % i)
    found = [r for r in rows(t, 'federation', 'report', '--since', '1h') if r['domain'] == p.domain]
    assert found == [{'domain': p.domain, 'user': romeo.bare, 'in': 4, 'out': 1}], found
    assert p.domain in ok(t, 'federation', 'report')
    tomorrow = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)).strftime('%Y-%m-%d')
    assert not [r for r in rows(t, 'federation', 'report', '--since', tomorrow) if r['domain'] == p.domain]


# -- test and pin --------------------------------------------------------------------------------------------------------------


def outcome(result):
    """(exit code, {step: rows}) of test --json."""
    code, out, err = result
    found = {}
    for line in out.splitlines():
        r = json.loads(line)
        found.setdefault(r['step'], []).append(r)
    assert found, err
    return code, found


def tried(t, p, **tls):
    """`federation test` while the partner answers as it should."""
    run = in_background(t, '--json', 'federation', 'test', p.domain)
    s = p.accept().serve(direct=p.direct, **tls)
    result = outcome(run.join())
    s.cut()
    return result


def test_test(t):
    """Issue 5: federation test: all is well, in both directions, and in words"""
    for direct in (False, True):
        p = t.partner(direct=direct)
        code, found = tried(t, p)
        assert code == 0 and found['in'][0]['works'] is True, found
        assert found['out'][0]['text'].startswith('Messages to %s would be sent' % p.domain), found
        assert 'would be taken' in found['in'][0]['text'], found
        c = found['certificate'][0]
        assert c['pin'] == pin(p.certificate) and c['names'] == p.domain and c['verdict'] == 'good' and c['not_after'], c
        assert found['tls'][0]['text'].startswith('TLSv1.3') and found['connection'][0]['direct_tls'] is direct, found
    run = in_background(t, 'federation', 'test', p.domain)
    p.accept().serve(direct=True).cut()
    code, out, err = run.join()
    assert code == 0 and 'Certificate: ' in out and 'would be sent' in out and 'key sha256/' in out, (out, err)


def test_test_refuses(t):
    """Issue 5: federation test: why not, in words, and exit code 1"""
    # Not allowed; the certificate is of no public CA
    p = t.partner(allow=None)
    run = in_background(t, '--json', 'federation', 'test', p.domain)
    s = p.accept()
    s.serve_secure()
    code, found = outcome(run.join())
    assert code == 1 and not found['in'][0]['works'] and 'no administrator has allowed' in found['out'][0]['text'], found
    assert not found['judgement'][0]['ok'] and found['certificate'][0]['verdict'] != 'good', found
    # One direction only: then that is all that has to work
    p.allow('--direction', 'out')
    code, found = tried(t, p)
    assert code == 0 and 'other direction' in found['in'][0]['text'] and found['out'][0]['ok'], found
    p.allow('--direction', 'both')
    # Another name
    q = t.partner(certificate=Authority().certificate('other.example'))
    q.allow('--pin', pin(q.certificate))
    run = in_background(t, '--json', 'federation', 'test', q.domain)
    q.accept().serve_secure(verify=False)
    code, found = outcome(run.join())
    assert code == 1 and found['certificate'][0]['verdict'] == 'other-name' and found['certificate'][0]['names'] == 'other.example', found
    assert 'would be refused, because' in found['in'][0]['text'] and 'would be refused, because' in found['out'][0]['text'], found
    # They do not take ours
    run = in_background(t, '--json', 'federation', 'test', p.domain)
    s = p.accept().serve_secure().serve_auth()
    s.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
    code, found = outcome(run.join())
    assert code == 1 and 'did not let us in: not-authorized' in found['out'][0]['text'] and found['in'][0]['ok'], found
    # No TLS
    run = in_background(t, '--json', 'federation', 'test', p.domain)
    p.accept().fresh().answer_open('')
    code, found = outcome(run.join())
    assert code == 1 and 'no TLS' in found['out'][0]['text'], found
    # Something else altogether
    run = in_background(t, '--json', 'federation', 'test', p.domain)
    p.accept().send('220 mail.example ESMTP\r\n')
    code, found = outcome(run.join())
    assert code == 1 and 'no stream' in found['out'][0]['text'], found
    # Nobody there; no such service; no such domain
    p.stop()
    code, found = outcome(t.server.cli('--json', 'federation', 'test', p.domain))
    assert code == 1 and not found['connection'][0]['ok'] and 'nobody knows which certificate' in found['in'][0]['text'], found
    t.server.dns.set('_xmpp-server._tcp.' + p.domain, dns.srv(0, 0, 0, '.'))
    code, found = outcome(t.server.cli('--json', 'federation', 'test', p.domain))
    assert code == 1 and not found['names'][0]['ok'], found
    code, found = outcome(t.server.cli('--json', 'federation', 'test', 'nowhere.peers.test'))
    assert code == 1 and not found['names'][0]['ok'], found
    for d in ('*.peers.test', t.server.domain, 'a@b.test'):
        fails(t, 1, 'federation', 'test', d)


def test_test_next_target(t):
    """Issue 5: federation test tries every target until one works"""
    p = t.partner()
    p.announce(dns.srv(0, 0, 9, 'host.' + p.domain), dns.srv(5, 0, p.port, 'host.' + p.domain))
    code, found = tried(t, p)
    assert code == 0 and [c['ok'] for c in found['connection']] == [False, True], found


@alone()
def test_test_stop(t):
    """A test of a server that says nothing does not keep ours from stopping"""
    p = t.partner()
    run = in_background(t, 'federation', 'test', p.domain)
    s = p.accept()
    s.fresh().expect_open()
    t.server.stop()
    code, out, err = run.join()
    assert code == 1 and err, (out, err)
    t.server.start()


@alone()
def test_ours_later(t):
    """A domain that is ours since can be taken away, and is no partner meanwhile"""
    t.server.psql("insert into chancery.partner (domain, direction, pass, trust, owner, reason, changed_by)"
                  " values ('%s', 3, 63, 0, 'x', 'x', 'x')" % t.server.domain)
    assert 'of this server' in fails(t, 1, 'federation', 'allow', t.server.domain, *WHY)
    a, b = t.online(), t.online()
    a.message(b.jid, 'at home')
    b.expect_message('at home')
    ok(t, 'federation', 'deny', t.server.domain, *WHY)


def test_pin(t):
    """Issue 5: pin shows the key and proposes it; nothing is trusted until it is approved; keys that were pinned stay"""
    p = t.partner(allow=None)
    run = in_background(t, '--json', 'federation', 'pin', p.domain, '--owner', 'Sampson')
    p.accept().serve_secure()
    code, out, err = run.join()
    assert code == 0, err
    r = json.loads(out)
    assert r['pin'] == pin(p.certificate) and r['known'] is False and r['names'] == p.domain, r
    assert 'never was' in fails(t, 1, 'federation', 'show', p.domain)
    assert [x['pins'] for x in rows(t, 'federation', 'proposals') if x['id'] == r['proposal']] == [[r['pin']]]
    ok(t, 'federation', 'approve', str(r['proposal']))
    e = entry(t, p.domain)
    assert e['pins'] == [r['pin']] and e['trust'] == 'pins' and e['owner'] == 'Sampson', e
    # The same again is known; another key is added.
    run = in_background(t, '--json', 'federation', 'pin', p.domain)
    p.accept().serve_secure()
    code, out, err = run.join()
    assert code == 0 and json.loads(out)['known'] is True, (out, err)
    p.certificate = Authority().certificate(p.domain)
    run = in_background(t, '--json', 'federation', 'pin', p.domain)
    p.accept().serve_secure(verify=False)
    code, out, err = run.join()
    n = json.loads(out)
    assert code == 0 and n['known'] is False and n['verdict'] == 'not-pinned', (out, err)
    ok(t, 'federation', 'approve', str(n['proposal']))
    assert entry(t, p.domain)['pins'] == [r['pin'], pin(p.certificate)]
    romeo = t.online()
    romeo.message(p.jid(), 'pinned')
    p.accept().serve(verify=False).expect_message('pinned')
    p.stop()
    assert 'no certificate' in fails(t, 1, 'federation', 'pin', p.domain)
    fails(t, 1, 'federation', 'pin', '*.' + p.domain)


def test_pin_while_it_changes(t):
    """Issue 5: pin adds to the entry as it is when it proposes, whatever was changed between its look at the server and that"""
    p = t.partner(allow=None)
    old, new = ('sha256/' + 43 * c + '=' for c in 'AQ')
    ok(t, 'federation', 'allow', p.domain, '--pin', old, '--owner', 'Sampson', *WHY)
    change = subprocess.Popen(['psql', '-X', '-q', '-A', '-t', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        # As another command does: the lock, the change, and it is not committed yet.
        change.stdin.write("begin; select from pg_advisory_xact_lock(4841263, 4); update chancery.partner set pins = '{%s}' where domain = '%s'; "
                           "select 'changed';\n" % (new, p.domain))
        change.stdin.flush()
        while change.stdout.readline().strip() != 'changed':
            assert change.poll() is None
        run = in_background(t, '--json', 'federation', 'pin', p.domain)
        p.accept().serve_secure(verify=False)
        t.server.wait(lambda: t.server.psql("select 1 from pg_locks where locktype = 'advisory' and classid = 4841263 and objid = 4 and not granted"
                                            " and database = (select oid from pg_database where datname = current_database())"),
                      'the command to wait for the other change')
        change.stdin.write('commit;\n')
    finally:
        change.stdin.close()
        change.wait()
        change.stdout.close()
    code, out, err = run.join()
    assert code == 0, err
    r = json.loads(out)
    assert [x['pins'] for x in rows(t, 'federation', 'proposals') if x['id'] == r['proposal']] == [[new, r['pin']]], r
