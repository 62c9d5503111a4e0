"""Start, stop, crash, certificates, several hosts (RFC 6120 §4.9.3.21; design §7, §8)."""
import os
import signal
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor, wait

from chancerytest.client import unique
from chancerytest.scenario import alone


@alone()
def test_graceful_stop(t):
    """RFC 6120 §4.9.3.21: at a stop streams are told system-shutdown; nothing that was acknowledged is lost"""
    a, b = t.online(sm=True), t.online()
    away = t.user()
    bare = '%s@%s' % (away[0], t.server.domain)
    for i in range(200):
        a.message(bare, str(i))
    a.acked()
    silent = t.client().connect()
    silent.open().expect_features()
    t.server.terminate()
    for c in (a, b, silent):
        assert c.expect_end() == 'system-shutdown', c.error
        c.expect_eof()
    t.server.wait_gone()
    t.server.start()
    c = t.online(away)
    for i in range(200):
        assert c.expect('message').text('body') == str(i)


@alone()
def test_stop_under_load(t):
    """P1, P2: a stop in the middle of traffic: what was delivered or acknowledged is in the record, once"""
    pairs = [(t.online(sm=True), t.online()) for _ in range(4)]

    def talk(a, b):
        try:
            for i in range(3000):
                a.message(b.jid, str(i), id='%s-%d' % (a.user, i))
        except OSError:
            pass
    threads = [threading.Thread(target=talk, args=p) for p in pairs]
    for th in threads:
        th.start()
    pairs[0][1].expect_message('50')
    t.server.terminate()
    for a, b in pairs:
        b.expect_end()
        a.expect_end()
    for th in threads:
        th.join()
    t.server.wait_gone()
    t.server.start()
    for a, b in pairs:
        recorded = [r[0] for r in t.server.records("from_bare = '%s' and kind not in (7, 24)" % a.bare, 'client_id')]
        assert len(recorded) == len(set(recorded)), 'recorded twice'
        delivered = [e.get('id') for e in b.heard if e.name == 'message' and e.get('type') != 'error']
        assert len(delivered) == len(set(delivered)), 'delivered twice'
        assert set(delivered) <= set(recorded), 'delivered, not recorded'
        assert recorded == ['%s-%d' % (a.user, i) for i in range(len(recorded))], 'not in order'
        messages_acked = a.sm_acked - 1     # initial presence was the first
        assert messages_acked <= len(recorded), 'acknowledged, not recorded'


@alone()
def test_kill(t):
    """P2: kill -9 under load, three times: nothing acknowledged is lost, nothing is recorded twice, order holds"""
    user_a, user_b = t.user(), t.user()
    for round in range(3):
        a, b = t.online(user_a, sm=True), t.online(user_b, sm=True)
        b.heard.clear()
        prefix = unique('k')

        def talk():
            try:
                for i in range(100000):
                    a.message(b.bare, str(i), id='%s-%d' % (prefix, i))
                    if i % 20 == 0:
                        a.send("<r xmlns='urn:xmpp:sm:3'/>")
            except OSError:
                pass
        th = threading.Thread(target=talk)
        th.start()
        b.expect_message(id='%s-%d' % (prefix, 100 + 150 * round))
        t.server.kill()
        th.join()
        for c in (a, b):
            try:
                c.expect_end()
            except (OSError, AssertionError):
                pass
        t.server.start()
        recorded = [r[0] for r in t.server.records("from_bare = '%s' and client_id like '%s-%%' and kind <> 7" % (a.bare, prefix), 'client_id')]
        assert recorded == ['%s-%d' % (prefix, i) for i in range(len(recorded))], 'gaps or double'
        acked = a.sm_acked - 1
        assert acked <= len(recorded), 'acknowledged %d, recorded %d' % (acked, len(recorded))
        # What an earlier round left over may come again, too.
        seen = [e.get('id') for e in b.heard if e.name == 'message' and e.get('id').startswith(prefix)]
        assert set(seen) <= set(recorded), 'delivered, not recorded'
        c = t.online(user_b)
        again, got = [], set(seen) | {'%s-%d' % (prefix, 100 + 150 * round)}
        while not set(recorded) <= got:
            again.append(c.expect('message').get('id'))
            got.add(again[-1])
        numbers = [int(i.rsplit('-', 1)[1]) for i in again if i.startswith(prefix)]
        assert numbers == sorted(numbers), 'redelivered out of order'
        a.cut(), b.cut(), c.close()


@alone()
def test_start_while_recovering(t):
    """deploy/demo: a start while PostgreSQL comes back by itself from a crash waits for it"""
    t.server.stop()
    data, held = os.path.realpath(t.server.path('pg')), t.server.path('held')
    who = {'user': os.stat(data).st_uid, 'group': os.stat(data).st_gid} if os.geteuid() == 0 else {}
    # Recovering from an archive takes as long as the archive does.
    with open(os.path.join(data, 'postgresql.auto.conf'), 'a') as f:
        f.write("hot_standby = off\nrestore_command = 'while [ -e %s ]; do sleep 0.1; done; false'\n" % held)
    for path in held, os.path.join(data, 'recovery.signal'):
        open(path, 'w').close()
        if who:
            os.chown(path, who['user'], who['group'])
    subprocess.run(['/usr/lib/postgresql/15/bin/pg_ctl', 'start', '-W', '-D', data, '-l', os.path.join(os.path.realpath(t.server.path('log')), 'postgres.log')],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd='/', check=True, **who)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(t.server.start)
        done, _ = wait([starting], 1)
        os.remove(held)
        starting.result()
        assert not done
    assert t.online().ping().get('type') == 'result'


@alone()
def test_second_server_refused(t):
    """Store: a second server on the same settings does not start, and does no harm to the first"""
    a, b = t.online(), t.online()
    p = subprocess.run([os.path.join(t.server.build, 'bin', 'chanceryd'), '--config', t.server.env['CHANCERY_CONFIG']],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert p.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT), p
    assert p.stderr.strip()
    a.sync(b)
    assert t.server.is_running()


@alone()
def test_check(t):
    """Design §8: chanceryd --config FILE --check: good settings, and each kind of bad ones with file, line and column"""
    program = os.path.join(t.server.build, 'bin', 'chanceryd')
    with open(t.server.env['CHANCERY_CONFIG']) as f:
        text = f.read()

    def check(content):
        path = t.server.path('try.yaml')
        with open(path, 'w') as f:
            f.write(content)
        return subprocess.run([program, '--config', path, '--check'], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
    assert check(text).returncode == 0
    for bad in (text + 'surprise: 1\n', text + 'auth:\n  plain: perhaps\n', text + 'limits:\n  xml_depth: 1\n', 'hosts: []\n', '', ': : :\n',
                text + 'stream:\n  resume: soon\n', text.replace('server.key', 'nothing.key')):
        p = check(bad)
        assert p.returncode != 0 and 'try.yaml' in p.stderr, (bad[-40:], p)


@alone()
def test_new_certificate(t):
    """Issue: certificates are reloaded on SIGHUP without dropping anyone"""
    c = t.online()
    serial = c.sock.getpeercert()['serialNumber']
    tls = os.path.dirname(os.path.realpath(os.path.join(t.server.path('tls'), 'server.pem')))
    issue(t, t.server.domain, tls, 'server')
    os.kill(t.server.pid, signal.SIGHUP)
    t.server.wait(lambda: t.stream().sock.getpeercert()['serialNumber'] != serial, 'the new certificate')
    assert c.ping().get('type') == 'result'
    # A broken one is refused; the last good one stays in use.
    with open(os.path.join(tls, 'server.pem'), 'w') as f:
        f.write('no certificate')
    os.kill(t.server.pid, signal.SIGHUP)
    assert t.online().ping().get('type') == 'result'
    assert c.ping().get('type') == 'result'


def issue(t, domain, folder, name):
    """A certificate of the instance's own authority."""
    pem, key, csr, ext = (os.path.join(folder, name + x) for x in ('.pem', '.key', '.csr', '.ext'))
    old = os.stat(os.path.join(folder, 'server.key'))
    with open(ext, 'w') as f:
        f.write('subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' % domain)
    for command in (['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key],
                    ['req', '-new', '-key', key, '-subj', '/CN=' + domain, '-out', csr],
                    ['x509', '-req', '-in', csr, '-days', '30', '-CA', t.server.ca, '-CAkey', t.server.path('ca.key'),
                     '-set_serial', str(int.from_bytes(os.urandom(8), 'big')), '-extfile', ext, '-out', pem]):
        subprocess.run(['openssl'] + command, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o640)
    os.chown(key, old.st_uid, old.st_gid)


@alone()
def test_two_hosts(t):
    """RFC 6120 §4.7.1, RFC 6066: two virtual hosts, each with its certificate, accounts and addresses"""
    second = 'second.test'
    config = t.server.env['CHANCERY_CONFIG']
    tls = os.path.dirname(os.path.realpath(os.path.join(t.server.path('tls'), 'server.pem')))
    issue(t, second, tls, 'second')
    with open(config) as f:
        text = f.read()
    entry = "  - domain: %s\n    certificate: '%s/second.pem'\n    key: '%s/second.key'\nlisten:" % (second, tls, tls)
    with open(config, 'w') as f:
        f.write(text.replace('listen:', entry, 1))
    t.server.edited = True
    t.server.restart()
    name, password = t.user()
    code, out, err = t.server.cli('user', 'import', '-', stdin='%s@%s\tother\n' % (name, second))
    assert code == 0, err
    a = t.online((name, password))
    for direct in (False, True):
        b = t.client((name, 'other'), domain=second).authenticated(direct=direct)
        assert ('DNS', second) in b.sock.getpeercert()['subjectAltName']
        b.bind()
        assert b.jid.startswith('%s@%s/' % (name, second))
        b.online()
        a.sync(b)
        b.sync(a)
        b.close()
    wrong = t.client((name, password), domain=second).secure()
    assert wrong.auth() == 'not-authorized'
    # The certificate is for the host that SNI named; a stream for another host on it is refused.
    c = t.client((name, password))
    c.connect(direct=True)
    c.open(second)
    try:
        c.expect_features()
    except AssertionError:
        assert c.error is not None
    no_sni = t.client((name, password))
    try:
        no_sni.connect(direct=True, sni=False)
        no_sni.open().expect_features()
    except (ssl.SSLError, AssertionError):
        pass


@alone()
def test_schema_of_the_future(t):
    """Design §7: a database that is newer than the program is refused, and says so"""
    t.server.stop()
    t.server._demo_database = None
    pg = t.server
    try:
        pg.start()
        columns = {r[0] for r in pg.psql("select column_name from information_schema.columns where table_schema = 'chancery' and table_name = 'migration'")}
        assert 'name' in columns, columns
        rest = ', '.join('%s' % c for c in columns - {'name'})
        pg.psql("insert into chancery.migration (name%s) select '9999_future.sql'%s from chancery.migration limit 1"
                % (', ' + rest if rest else '', ', ' + rest if rest else ''))
        pg.stop()
        pg.start()
    except RuntimeError as e:
        assert '9999' in str(e) or 'newer' in str(e) or 'unknown' in str(e), e
    else:
        raise AssertionError('started on a database of the future')
