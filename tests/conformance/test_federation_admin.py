"""Partners by the command line: allow, deny, list, show, report, history, the rule of two persons (issue 5, "the allowlist")."""
import os
import pwd
import shutil
import subprocess
import tempfile

from chancerytest.client import unique
from chancerytest.scenario import Skip, alone
from test_admin import ok, rows, fails

WHY = ('--reason', 'contract 7')
NEW = ('--owner', 'Gregory', *WHY)
PINS = ['sha256/' + 43 * c + '=' for c in 'AQg']


def domain():
    return '%s.example' % unique('partner').replace('_', '-').lower()


def entry(t, d):
    return rows(t, 'federation', 'show', d)[0]


def listed(t, d):
    return [r for r in rows(t, 'federation', 'list') if r['domain'] == d]


def test_life(t):
    """Issue 5: a partner is allowed, changed, listed, shown and denied; whoever did it, why, and what it was, is kept"""
    d = domain()
    assert 'never was' in fails(t, 1, 'federation', 'show', d)
    out = ok(t, 'federation', 'allow', d, *NEW)
    assert 'in force' in out and 'both' in out and 'public CA' in out, out
    r = listed(t, d)[0]
    assert (r['direction'], r['state'], r['trust'], r['owner'], r['reason']) == ('both', 'in force', 'public CA', 'Gregory', WHY[1]), r
    assert r['pass'] == ['messages', 'presence', 'rooms', 'files', 'calls', 'pubsub'] and r['expires'] is None and not r['dialback'], r
    ok(t, 'federation', 'allow', d, '--no-files', '--no-calls', '--direction', 'out', '--reason', 'fewer things')
    r = entry(t, d)
    assert r['pass'] == ['messages', 'presence', 'rooms', 'pubsub'] and r['direction'] == 'out' and r['owner'] == 'Gregory', r
    ok(t, 'federation', 'allow', d, '--files', '--reason', 'files again')
    assert entry(t, d)['pass'] == ['messages', 'presence', 'rooms', 'files', 'pubsub']
    ok(t, 'federation', 'deny', d, '--reason', 'the contract is over')
    assert not listed(t, d)
    r = entry(t, d)
    assert r['state'] == 'not allowed' and [h['action'] for h in r['history']] == ['deny', 'change', 'change', 'allow'], r
    assert r['history'][2]['changed'] == ['direction', 'pass'] and r['history'][0]['reason'] == 'the contract is over', r
    assert r['history'][0]['old']['direction'] == 2 and r['history'][0]['new'] is None and 'uid' in r['history'][0]['who'], r
    assert 'DENY' not in ok(t, 'federation', 'show', d) and 'contract is over' in ok(t, 'federation', 'show', d)
    fails(t, 1, 'federation', 'deny', d, '--reason', 'twice')
    audit = t.server.psql("select action, detail->>'reason' from chancery.audit where target = '%s' order by id" % d)
    assert audit == [['federation.allow', WHY[1]], ['federation.allow', 'fewer things'], ['federation.allow', 'files again'],
                     ['federation.deny', 'the contract is over']], audit


def test_settings(t):
    """Issue 5: pins, users, rates, hours and expiry are taken, shown, and taken back"""
    d, jid = domain(), '%s@%s' % (t.user()[0], t.server.domain)
    ok(t, 'federation', 'allow', d, '--pin', PINS[0], '--pin', PINS[1], '--who', jid, '--who', 'group:Sales, north', '--per-minute', '60',
       '--user-per-minute', '6', '--hours', 'Mon-Fri 08:00-18:00, Sat 09:00-12:00', '--expires', '30d', '--dialback', *NEW)
    r = entry(t, d)
    assert r['trust'] == 'pins' and r['pins'] == PINS[:2] and r['who'] == [jid, 'group:Sales, north'] and r['dialback'] is True, r
    assert (r['per_minute'], r['user_per_minute'], r['hours']) == (60, 6, 'Mon-Fri 08:00-18:00, Sat 09:00-12:00'), r
    assert r['expires'], r
    ok(t, 'federation', 'allow', d, '--pin', PINS[2], *WHY)
    assert entry(t, d)['pins'] == [PINS[2]]
    ok(t, 'federation', 'allow', d, '--public-ca', '--everybody', '--per-minute', '0', '--user-per-minute', '0', '--hours', 'always',
       '--expires', 'never', '--no-dialback', '--direction', 'in', *WHY)
    r = entry(t, d)
    assert r['trust'] == 'public CA' and r['pins'] == [] and r['who'] == [] and r['hours'] is None and r['expires'] is None, r
    assert (r['per_minute'], r['user_per_minute'], r['dialback'], r['direction']) == (0, 0, False, 'in'), r
    ok(t, 'federation', 'allow', d, '--ca', t.server.ca, *WHY)
    r = entry(t, d)
    assert r['trust'] == 'own CA' and r['ca'].startswith('-----BEGIN CERTIFICATE'), r
    assert t.server.value("select detail->>'own_ca' from chancery.audit where target = '%s' order by id desc limit 1" % d) == 'true'
    ok(t, 'federation', 'allow', '*.' + d, *NEW)
    assert {r['domain'] for r in rows(t, 'federation', 'list')} >= {d, '*.' + d}


def test_domains(t):
    """Issue 5: names are prepared (RFC 7622 §3.2); what is ours, everything, or no name is refused; an address needs pins or a CA"""
    n = unique('x').replace('_', '-').lower()
    ok(t, 'federation', 'allow', 'BÜCHER-%s.Example.' % n.upper(), *NEW)
    assert listed(t, 'bücher-%s.example' % n)
    ok(t, 'federation', 'allow', ('bücher-%s' % n).encode('idna').decode() + '.example', '--direction', 'in', *WHY)
    assert listed(t, 'bücher-%s.example' % n)[0]['direction'] == 'in'
    for d in ('*', '*.', '*.*.example', 'a.*.example', 'a..example', 'user@a.example', 'a.example/x', '', '.', 'a b.example', 'a-.example'):
        assert 'not a domain' in fails(t, 1, 'federation', 'allow', d, *NEW), d
    host = t.server.domain
    for d in (host, host.upper(), '*.' + host, 'conference.' + host, 'push.' + host):
        assert 'of this server' in fails(t, 1, 'federation', 'allow', d, *NEW), d
    for d in ('192.0.2.7', '[2001:db8::7]'):
        assert 'pins' in fails(t, 1, 'federation', 'allow', d, *NEW), d
        assert 'pins' in fails(t, 1, 'federation', 'allow', d, '--dialback', *NEW), d
        ok(t, 'federation', 'allow', d, '--pin', PINS[0], *NEW)
        assert 'pins' in fails(t, 1, 'federation', 'allow', d, '--public-ca', *WHY), d
        ok(t, 'federation', 'deny', d, *WHY)
    assert fails(t, 1, 'federation', 'allow', '*.192.0.2.7', '--pin', PINS[0], *NEW)


def test_open_to_anybody(t):
    """Issue 5: a wildcard over what is open to anybody, a top-level domain or the like of co.uk, is asked about once more"""
    d = unique('top')
    public = ['*.' + d, '*.' + d.upper() + '.'] + ['*.' + s for s in ('co.uk', 'com.au', 'Org.UK', 'or.jp', 'gov.br', 'xn--p1ai', 'рф')]
    for name in public:
        err = fails(t, 1, 'federation', 'allow', name, *NEW)
        assert '--force' in err and 'everybody' in err, (name, err)
        assert not listed(t, name.lower().rstrip('.'))
    for name in ('*.%s.example' % d, '*.%s.uk' % d, '*.%s.co.uk' % d, '*.co.%s' % d, d, 'co.%s' % d):
        ok(t, 'federation', 'allow', name, *NEW)
        assert listed(t, name)
        ok(t, 'federation', 'deny', name, *WHY)
    ok(t, 'federation', 'allow', '*.' + d, '--force', *NEW)
    assert 'force' not in listed(t, '*.' + d)[0]
    # It has been decided: no need to say it again with each change.
    ok(t, 'federation', 'allow', '*.' + d, '--no-files', *WHY)
    ok(t, 'federation', 'deny', '*.' + d, *WHY)
    assert '--force' in fails(t, 1, 'federation', 'allow', '*.' + d, *NEW)
    assert 'for this command' in fails(t, 2, 'federation', 'deny', d, '--force', *WHY)


def test_refused(t):
    """Issue 5: what is wrong or missing is refused with the reason, and nothing is changed"""
    d = domain()
    for code, args, why in (
            (1, WHY, 'owner'), (1, ('--owner', 'x'), 'reason'), (1, ('--owner', ' ', *WHY), 'owner'), (1, ('--owner', 'x', '--reason', 'a\nb'), 'reason'),
            (1, ('--owner', 'x' * 501, *WHY), 'owner'),
            (1, ('--direction', 'up', *NEW), 'direction'), (1, ('--pin', 'sha256/short', *NEW), 'pins'), (1, ('--pin', 'md5/' + 'A' * 43 + '=', *NEW), 'pins'),
            (1, [x for _ in range(17) for x in ('--pin', PINS[0])] + list(NEW), 'partner_pins'),
            (1, ('--who', 'romeo@elsewhere.example', *NEW), 'who'), (1, ('--who', 'nobody', *NEW), 'who'), (1, ('--who', 'group:', *NEW), 'who'),
            (1, ('--hours', 'Mon-Fri', *NEW), 'hours'), (1, ('--hours', 'Mon 08:30-18:00', *NEW), 'hours'), (1, ('--hours', 'Mon 08:00-25:00', *NEW), 'hours'),
            (1, ('--hours', 'Mon 08:00-08:00', *NEW), 'hours'), (1, ('--hours', 'Mon 08:00-09:00,', *NEW), 'hours'),
            (1, ('--expires', '2020-01-01', *NEW), 'past'), (1, ('--expires', 'soon', *NEW), 'expires'), (1, ('--expires', '2026-13-01', *NEW), 'expires'),
            (1, ('--dane', *NEW), 'dns_anchors'),
            (2, ('--pin', PINS[0], '--public-ca', *NEW), 'one of them'), (2, ('--files', '--no-files', *NEW), 'one of them'),
            (2, ('--who', 'group:a', '--everybody', *NEW), 'one of them'), (2, ('--per-minute', '-1', *NEW), 'per-minute'),
            (2, ('--per-minute', 'many', *NEW), 'per-minute'), (2, ('--since', '7d', *NEW), 'since'),
            (1, ('--ca', '/nonexistent', *NEW), 'nonexistent')):
        err = fails(t, code, 'federation', 'allow', d, *args)
        assert why in err, (args, err)
    assert not listed(t, d) and 'never was' in fails(t, 1, 'federation', 'show', d)
    for args, why in (((), 'DOMAIN'), ((d,), 'reason'), ((d, '--pin', PINS[0], *WHY), 'pin')):
        assert why in fails(t, 2, 'federation', 'deny', *args), args
    assert 'for this command' in fails(t, 2, 'user', 'list', '--reason', 'x')
    fails(t, 1, 'federation', 'approve', '999999')
    fails(t, 2, 'federation', 'approve', 'x')
    fails(t, 1, 'federation', 'withdraw', '999999')
    fails(t, 1, 'federation', 'report', '--since', 'yesterday')
    ok(t, 'federation', 'report', '--since', '7d')


def test_ca_file(t):
    """Issue 5: a CA of its own is certificates in PEM: nothing else, not too much, and no key"""
    d, folder = domain(), tempfile.mkdtemp(prefix='chancery-test-')
    try:
        def file(name, text):
            with open(os.path.join(folder, name), 'w') as f:
                f.write(text)
            return os.path.join(folder, name)
        with open(t.server.ca) as f:
            ca = f.read()
        for text, why in (('', 'CA'), ('hello\n', 'CA'), (ca + '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'private key'),
                          (ca.replace('MII', 'MIJ'), 'CA'), (ca + 65536 * '\n', 'partner_ca_bytes')):
            err = fails(t, 1, 'federation', 'allow', d, '--ca', file('ca.pem', text), *NEW)
            assert why in err, (text[:60], err)
        ok(t, 'federation', 'allow', d, '--ca', file('good.pem', ca + ca), *NEW)
    finally:
        shutil.rmtree(folder)


def can_log_in():
    """May this process say who has logged in? Not in most containers, and not twice in some kernels."""
    return subprocess.run(['sh', '-c', 'echo 0 > /proc/self/loginuid'], stderr=subprocess.DEVNULL).returncode == 0


def is_logged_in():
    try:
        with open('/proc/self/loginuid') as f:
            return f.read().strip() != '4294967295'
    except OSError:
        return False


@alone(limits__partners='10')
def test_limit(t):
    """limits.partners: no more than that, but those that are there can be changed"""
    for i in range(10):
        ok(t, 'federation', 'allow', 'p%d.example' % i, *NEW)
    assert 'limits.partners' in fails(t, 1, 'federation', 'allow', 'p10.example', *NEW)
    ok(t, 'federation', 'allow', 'p3.example', '--no-files', *WHY)
    ok(t, 'federation', 'deny', 'p3.example', *WHY)
    ok(t, 'federation', 'allow', 'p10.example', *NEW)
    assert len(rows(t, 'federation', 'list')) == 10
    t.server.restart()
    assert len(rows(t, 'federation', 'list')) == 10 and t.server.metric('chancery_partners') == 10


def as_other(t, *args, login=None):
    """The same command by another account of the operating system, which is in the socket's group, and of somebody who logged in as uid `login`."""
    if os.geteuid() != 0:
        raise Skip('needs root, to be somebody else')
    if is_logged_in() and not can_log_in():
        raise Skip('needs to say who has logged in (/proc/self/loginuid), to be somebody else')
    control = t.server.value('select 1') and next(line.split(':', 1)[1].strip().strip('\'"') for line in open(t.server.env['CHANCERY_CONFIG'])
                                                  if line.strip().startswith('control:'))
    gid, uid = os.stat(control).st_gid, pwd.getpwnam('nobody').pw_uid

    def become():
        try:
            with open('/proc/self/loginuid', 'w') as f:
                f.write(str(uid if login is None else login))
        except OSError:
            pass
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    p = subprocess.run([os.path.join(t.server.build, 'bin', 'chancery'), '--socket', control, *args], preexec_fn=become, capture_output=True,
                       text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


@alone(federation__two_persons='true')
def test_two_persons(t):
    """Issue 5: with federation.two_persons a change waits until another administrator approves it; taking away does not wait"""
    assert 'not in force' in ok(t, 'federation', 'allow', 'a.example', *NEW)
    assert not listed(t, 'a.example')
    p = rows(t, 'federation', 'proposals')
    assert [(x['domain'], x['new'], x['reason']) for x in p] == [('a.example', True, WHY[1])], p
    n = str(p[0]['id'])
    assert 'another administrator' in fails(t, 1, 'federation', 'approve', n)
    assert not listed(t, 'a.example')
    code, out, err = as_other(t, 'federation', 'approve', n)
    assert code == 0 and 'in force' in out, (code, out, err)
    r = entry(t, 'a.example')
    assert r['state'] == 'in force' and 'nobody' in r['history'][0]['who'] and 'proposed by' in r['history'][0]['who'], r
    assert r['history'][0]['proposal'] == int(n), r
    fails(t, 1, 'federation', 'approve', n)
    # A newer one takes its place, and so do its author's duties.
    ok(t, 'federation', 'allow', 'a.example', '--no-files', *WHY)
    code, out, err = as_other(t, 'federation', 'allow', 'a.example', '--no-calls', *WHY)
    assert code == 0, err
    p = rows(t, 'federation', 'proposals')
    assert len(p) == 1 and p[0]['changed'] == ['pass'] and p[0]['new'] is False and p[0]['by'] == 'nobody', p
    m = str(p[0]['id'])
    assert as_other(t, 'federation', 'approve', m)[0] == 1
    # What was proposed for an entry that has gone meanwhile is not put back.
    ok(t, 'federation', 'deny', 'a.example', *WHY)
    assert not listed(t, 'a.example') and not rows(t, 'federation', 'proposals')
    fails(t, 1, 'federation', 'approve', m)
    ok(t, 'federation', 'allow', 'b.example', *NEW)
    n = str(rows(t, 'federation', 'proposals')[0]['id'])
    ok(t, 'federation', 'withdraw', n)
    assert not rows(t, 'federation', 'proposals') and as_other(t, 'federation', 'approve', n)[0] == 1
    audit = [a for a, in t.server.psql("select action from chancery.audit where action like 'federation.%' order by id")]
    assert audit == ['federation.' + a for a in ('propose', 'approve', 'propose', 'propose', 'deny', 'propose', 'withdraw')], audit


@alone(federation__two_persons='true')
def test_one_person(t):
    """Issue 5: who has logged in is one person under every account, root too; the account counts where nobody has"""
    if not can_log_in():
        raise Skip('needs to say who has logged in (/proc/self/loginuid)')

    def propose(d, **who):
        code, out, err = as_other(t, 'federation', 'allow', d, *NEW, **who)
        assert code == 0, err
        return str([p['id'] for p in rows(t, 'federation', 'proposals') if p['domain'] == d][0])
    nobody = pwd.getpwnam('nobody').pw_uid
    n = propose('a.example', login=4242)
    code, out, err = as_other(t, 'federation', 'approve', n, login=4242)
    assert code == 1 and 'another administrator' in err and not listed(t, 'a.example'), (code, out, err)
    code, out, err = as_other(t, 'federation', 'approve', n)
    assert code == 0 and 'in force' in out, (code, out, err)
    assert 'nobody (uid %d), proposed by nobody' % nobody in entry(t, 'a.example')['history'][0]['who']
    # The account itself proposed it; its owner comes again by another account, whose name is not in doubt.
    n = propose('b.example')
    assert as_other(t, 'federation', 'approve', n)[0] == 1
    code, out, err = as_other(t, 'federation', 'approve', n, login=4242)
    assert code == 0, err
    assert 'nobody (uid %d, logged in as uid 4242)' % nobody in entry(t, 'b.example')['history'][0]['who']


@alone(federation__two_persons='true')
def test_author_is_gone(t):
    """Issue 5: what was proposed by somebody whose account is gone can be approved by another, and withdrawn"""
    for d in ('a.example', 'b.example'):
        ok(t, 'federation', 'allow', d, *NEW)
    ids = {p['domain']: str(p['id']) for p in rows(t, 'federation', 'proposals')}
    t.server.psql("update chancery.partner_proposal set by_uid = 54321, by_name = 'gone'")
    code, out, err = as_other(t, 'federation', 'approve', ids['a.example'])
    assert code == 0 and 'proposed by gone' in entry(t, 'a.example')['history'][0]['who'], err
    ok(t, 'federation', 'withdraw', ids['b.example'])
    assert not listed(t, 'b.example') and not rows(t, 'federation', 'proposals')


def test_deny_below(t):
    """Issue 5: what is taken away does not fall to a wider entry, which would allow more"""
    d = domain()
    ok(t, 'federation', 'allow', '*.' + d, *NEW)
    ok(t, 'federation', 'allow', 'a.' + d, '--no-files', *NEW)
    assert 'deny that first' in fails(t, 1, 'federation', 'deny', 'a.' + d, *WHY)
    assert entry(t, 'a.' + d)['state'] == 'in force'
    ok(t, 'federation', 'deny', '*.' + d, *WHY)
    ok(t, 'federation', 'deny', 'a.' + d, *WHY)


def test_roles(t):
    """Issue 5: the server can add to the history of partners and to what was proposed, and rewrite neither"""
    d = domain()
    ok(t, 'federation', 'allow', d, *NEW)
    for sql in ("update chancery.partner_history set reason = 'x'", "delete from chancery.partner_history",
                "truncate chancery.partner_history", "delete from chancery.partner_proposal",
                "update chancery.partner_proposal set by_name = 'x'", "update chancery.partner_proposal set entry = '{}'",
                "insert into chancery.partner_history (domain, action, who, owner, reason, at) values ('x', 'allow', 'x', 'x', 'x', now())",
                "delete from chancery.audit", "update chancery.partner_proposal set by_uid = 1"):
        try:
            t.server.psql('set role chancery_server; ' + sql)
        except RuntimeError as e:
            assert 'permission denied' in str(e), e
        else:
            raise AssertionError('the server may: ' + sql)
    new = "insert into chancery.partner_proposal (domain, entry, base, by_uid, by_name, reason) values ('%s', '{}', 0, 1, 'x', 'x'); " % d
    close = "update chancery.partner_proposal set closed_at = now(), closed_by = '%s', approved = %s where domain = '" + d + "'; "
    try:
        t.server.psql('set role chancery_server; begin; ' + new + close % ('bob', 'false') + close % ('alice', 'true') + 'commit')
    except RuntimeError as e:
        assert 'closed once' in str(e), e
    else:
        raise AssertionError('the server may say that another has approved')
