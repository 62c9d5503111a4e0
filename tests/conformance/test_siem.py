"""Issue 7: the audit trail and security events go to a SIEM by syslog over TLS (RFC 5424, RFC 5425)."""
import os
import subprocess

from chancerytest.client import unique
from chancerytest.desk import api, refused
from chancerytest.scenario import alone
from chancerytest.server import stopped
from chancerytest.siem import Siem
from chancerytest.web import Http


def ok(t, *args, stdin=''):
    code, out, err = t.server.cli(*args, stdin=stdin)
    assert code == 0, '%s: %d %s %s' % (args, code, out, err)
    return out


def certificate(t, name, host='DNS:localhost'):
    """(certificate, key): signed by itself, so it is its own authority."""
    folder = t.server.path('siem')
    os.makedirs(folder, exist_ok=True)
    cert, key = os.path.join(folder, name + '.pem'), os.path.join(folder, name + '.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
                    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=' + host], check=True, capture_output=True)
    os.chmod(cert, 0o644)
    return cert, key


def point(t, siem, ca):
    """The server sends there from its next start on."""
    t.server.settings.update({'siem.address': 'localhost:%d' % siem.port, 'siem.ca_file': ca})


def do(t, n=5):
    for _ in range(n):
        ok(t, 'user', 'add', '%s@%s' % (unique('siem').lower(), t.server.domain), '--password-stdin', stdin='pw\n')


def expected(t):
    return [int(r) for r, in t.server.psql('select id from archive.audit_record order by id')]


def arrived(t, siem):
    """Nothing is missing and the order is the log's; what came twice is the same."""
    def look():
        first = {}
        for m in siem.all(lambda m: m.record):
            assert first.setdefault(m.record, m).raw == m.raw, (first[m.record].raw, m.raw)
        return list(first) == expected(t) and first
    return t.server.wait(look, 'the audit records: %d of %d' % (len(siem.all(lambda m: m.record)), len(expected(t))))


@alone(limits__auth_failures_per_address='2')
def test_stream(t):
    """Each audit record arrives, in order, from the first one on; failed logins and refused partners as well; checkpoints when they are signed"""
    siem = Siem(certificate(t, 'siem'))
    point(t, siem, siem.certificate[0])
    t.server.restart()
    do(t)
    c = t.client((t.user()[0], 'wrong')).secure()
    assert c.auth() == 'not-authorized'
    got = arrived(t, siem)
    adds = [m for m in got.values() if m.msgid == 'user.add']
    assert len(adds) == 5 and adds[0].json['origin'].startswith('control pid=') and adds[0].host == t.server.domain, adds
    assert {'schema.migrate', 'server.start', 'server.stop'} <= {m.msgid for m in got.values()}
    assert all(m.severity == 5 and m.data['index'] == str(m.json['index']) for m in got.values())
    e = t.server.wait(lambda: siem.all(lambda m: m.msgid == 'auth-failed'), 'the failed login')[0]
    assert e.json['event'] == 'auth-failed' and e.json['why'] and not e.record and 'wrong' not in str(e.json), e.raw
    assert t.server.metric('chancery_siem_connected') == 1 and t.server.metric('chancery_siem_sent_total') >= len(got)
    # A token that opens nothing; and the first one that is not even looked up.
    for status in (401, 401, 429, 429):
        refused(status, api, t, 'cht_' + '0' * 64, 'whoami')
    e = t.server.wait(lambda: siem.all(lambda m: m.msgid == 'token-throttled'), 'the tokens')
    assert len(e) == 1 and t.source in e[0].json['from'], e
    assert len(siem.all(lambda m: m.msgid == 'token-refused')) == 2
    ok(t, 'log', 'checkpoint')
    note = t.server.wait(lambda: siem.all(lambda m: m.msgid == 'checkpoint'), 'a checkpoint')[-1]
    assert note.json['note'].split('\n')[1] == str(note.json['size']), note.raw
    # What has been taken over there is kept no longer; of what comes meanwhile one may be on its way.
    t.server.wait(lambda: t.server.value('select count(*) from chancery.siem_event') in ('0', '1'), 'the events to be gone')
    siem.kill()


@alone()
def test_kills(t):
    """Nothing is lost when the SIEM or the server is killed, or the one is away; and when it is away, status says so"""
    siem = Siem(certificate(t, 'siem'))
    point(t, siem, siem.certificate[0])
    t.server.restart()
    do(t, 3)
    arrived(t, siem)
    siem.kill()
    do(t, 3)
    t.server.wait(lambda: 'SIEM' in t.server.cli('--json', 'status')[1], 'status to say so')
    assert t.server.cli('status')[0] == 1
    siem.start()
    arrived(t, siem)
    do(t, 2)
    t.server.kill()
    siem.kill()
    siem.start()
    t.server.start()
    do(t, 2)
    arrived(t, siem)
    t.server.wait(lambda: 'SIEM' not in t.server.cli('--json', 'status')[1], 'status to be well again')
    siem.kill()


@alone()
def test_wrong_certificate(t):
    """A SIEM whose certificate is of another authority, or for another host, gets nothing; what waits comes when it is right"""
    other, elsewhere = certificate(t, 'other'), certificate(t, 'elsewhere', 'DNS:elsewhere.example')
    siem = Siem(other)
    right = certificate(t, 'siem')
    # Both authorities are believed in the end; the host of one is wrong.
    with open(t.server.path('siem', 'ca.pem'), 'w') as f:
        f.write(open(right[0]).read() + open(elsewhere[0]).read())
    os.chmod(t.server.path('siem', 'ca.pem'), 0o644)
    point(t, siem, t.server.path('siem', 'ca.pem'))
    t.server.restart()
    t.server.wait(lambda: 'siem-down' in t.server.log() and 'self-signed certificate' in t.server.log(), 'the refusal')
    do(t, 1)
    assert siem.all() == []
    siem.kill()
    siem.certificate = elsewhere
    siem.start()
    failures = t.server.metric('chancery_siem_failures_total')
    t.server.wait(lambda: t.server.metric('chancery_siem_failures_total') >= failures + 2, 'another refusal')
    assert siem.all() == [] and t.server.metric('chancery_siem_connected') == 0
    siem.kill()
    siem.certificate = right
    siem.start()
    arrived(t, siem)
    siem.kill()


@alone()
def test_database_away(t):
    """Events while the database is away are on the disk: they arrive after a crash of the server, all of them, in order, before what came later"""
    siem = Siem(certificate(t, 'siem'))
    point(t, siem, siem.certificate[0])
    t.server.restart()
    do(t, 1)
    arrived(t, siem)

    def refused_from(name, n):
        for i in range(n):
            h = Http(t.server, t.source)
            assert h.ask('POST', '/http-bind', {'Origin': 'https://%s%d.example' % (name, i)}, '<body/>').status == 403
            h.close()

    def seen():
        return [m.json['origin'] for m in siem.all(lambda m: m.msgid == 'origin-refused')]
    with stopped(t.server):
        refused_from('away', 20)
        t.server.wait(lambda: t.server.metric('chancery_siem_spooled_total') >= 20, 'the events on the disk')
        t.server.kill()
    t.server.start()
    refused_from('later', 1)
    t.server.wait(lambda: len(seen()) >= 21, 'the events')
    assert seen() == ['https://away%d.example' % i for i in range(20)] + ['https://later0.example'], seen()
    assert t.server.metric('chancery_siem_lost_total') == 0
    arrived(t, siem)
    siem.kill()


@alone(limits__siem_events='1000000')
def test_stop_with_much_on_disk(t):
    """A stop does not wait until all that was on the disk is in the database: it stays where it is, whole, for the next start"""
    siem = Siem(certificate(t, 'siem'))
    point(t, siem, siem.certificate[0])
    t.server.terminate()
    t.server.wait_gone()
    siem.kill()
    spool, line, n = t.server.path('siem', 'spool'), '1700000000000000 4 origin-refused {"origin":"https://%d.example"}\n', 300000
    with open(spool, 'w') as f:
        f.writelines(line % i for i in range(n))
    owner = os.stat(t.server.path('siem'))
    os.chown(spool, owner.st_uid, owner.st_gid)
    t.server.start()
    t.server.wait(lambda: t.server.value("select count(*) from pg_stat_activity where application_name = 'chanceryd siem'"
                                         " and query like 'INSERT INTO chancery.siem_event%'") != '0', 'the first of them')
    t.server.terminate()
    t.server.wait_gone()
    with open(spool) as f:
        assert sum(1 for _ in f) >= n
    assert t.server.value("select count(*) from chancery.siem_event where name = 'origin-refused'") == '0'
    os.truncate(spool, 0)
    t.server.start()
