#!/usr/bin/env python3
"""run.py --bin BUILD [--suite JAR] [--only NAME,...] [--reactors N] [--keep]

The XMPP interoperability suite against a server of its own: Smack's integration tests (from Maven Central, pinned in pom.xml), or,
with --suite or CHANCERY_SINT_JAR, those of the XMPP Interop Testing project, which are more: a release of
smack-sint-server-extensions, "jar-with-dependencies" (it is not on Maven Central).

What is left out is in excluded.txt. What has failed is tried again by itself, twice at most: Smack hands what it receives to its
listeners on threads of their own, so on a busy machine a test may look before they have been told (mucChangeNicknameInformationTest), or
enter a room again while the thread that reads still waits to note that it was left, and hold it up for ten seconds (mucLeaveTest: its
log has the answer, and none of the acknowledgements due before). Exit code 77 when there is no Java, or no suite
to be had.
"""
import argparse
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', '..', 'conformance')]
from chancerytest.server import Server, remove_all  # noqa: E402
from dns import Dns  # noqa: E402

SKIPPED = 77
DOMAIN = 'sint.test'
MAIN = 'org.igniterealtime.smack.inttest.SmackIntegrationTestFramework'
PATIENCE_MS = 10000
LIMIT_S = 900
AGAIN, AGAIN_MOST = 2, 5
OUTCOME = re.compile(r'^(?:INFO|SEVERE|WARNING): (\w+\.\w+) \(.*\) (Start|Success|Failed|is not possible)')
WHY = re.compile(r'^(?:INFO|SEVERE|WARNING): (?:Could not run )?(\w+\.\w+) \(.*\) (?:failed:|because:) (.*)')
CLASS_WHY = re.compile(r'^(?:INFO|SEVERE|WARNING): Could not run [\w.]*\.(\w+) because: (.*)')


def maven_suite(build):
    """The class path of what Maven has brought into the build folder; None when it cannot."""
    folder = os.path.join(os.path.abspath(build), 'tests', 'sint')
    lib, pom = os.path.join(folder, 'lib'), os.path.join(folder, 'pom.xml')
    with open(os.path.join(HERE, 'pom.xml')) as f:
        wanted = f.read()
    if not os.path.exists(pom) or open(pom).read() != wanted:
        if not shutil.which('mvn'):
            print('skipped: no Maven (Debian: apt-get install maven), and no --suite')
            return None
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(lib)
        p = subprocess.run(['mvn', '-B', '-q', '-f', os.path.join(HERE, 'pom.xml'), 'dependency:copy-dependencies',
                            '-DoutputDirectory=' + lib], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if p.returncode:
            print('skipped: Maven could not bring the suite: ' + (p.stdout + p.stderr).strip()[-1500:])
            return None
        with open(pom, 'w') as f:       # last: it says that all is there
            f.write(wanted)
    return os.pathsep.join(sorted(glob.glob(os.path.join(lib, '*.jar'))))


def exclusions():
    """{'skip': {name: reason}, 'wrong': …, 'impossible': …}"""
    found = {'skip': {}, 'wrong': {}, 'impossible': {}}
    with open(os.path.join(HERE, 'excluded.txt')) as f:
        for n, line in enumerate(f, 1):
            if line.strip() and not line.startswith('#'):
                words = line.split(None, 2)
                if len(words) < 3 or words[0] not in found:
                    raise SystemExit('excluded.txt:%d: expected "skip|wrong|impossible NAME REASON"' % n)
                found[words[0]][words[1]] = words[2].strip()
    return found


def names(test, table):
    return test in table or test.split('.')[0] in table


def trust_store(server):
    """Made once: a second import of the same name is refused."""
    store = server.path('trust.p12')
    if os.path.exists(store):
        return store
    subprocess.run(['keytool', '-importcert', '-noprompt', '-file', server.ca, '-keystore', store, '-storepass', 'changeit'],
                   check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return store


def relays(server):
    """Something for the tests of XEP-0215 to find."""
    with open(server.path('turn.secret'), 'w') as f:
        f.write('secret\n')
    return json.dumps(['turn:turn.sint.test:3478:udp:' + f.name])


def command(args, path, server, dns, excluded, only):
    with open(server.env['CHANCERY_ACCOUNTS']) as f:
        password = dict(line.rstrip('\n').split('\t') for line in f)['admin@' + DOMAIN]
    sint = {
        'service': DOMAIN, 'securityMode': 'required', 'replyTimeout': PATIENCE_MS, 'enabledConnections': 'tcp',
        'dnsResolver': 'dnsjava', 'adminAccountUsername': 'admin', 'adminAccountPassword': password,
        'disabledTests': ','.join(excluded['skip']),
    }
    if only:
        sint['enabledTests'] = only
    if args.debug:
        sint['debugger'] = 'console'
    # Uploads go to an https address, whose name Java looks for by itself.
    hosts = server.path('hosts')
    with open(hosts, 'w') as f:
        f.write('127.0.0.1 localhost %s\n' % DOMAIN)
    java = {'jdk.net.hosts.file': hosts, 'javax.net.ssl.trustStore': trust_store(server), 'javax.net.ssl.trustStorePassword': 'changeit',
            'dns.server': dns.address}
    java.update(('sinttest.' + k, v) for k, v in sint.items())
    return ['java', '-Xmx512m', *('-D%s=%s' % kv for kv in java.items()), '-cp', path, MAIN]


def listen(lines, log):
    """({test: its last outcome}, {test or class: why}) from what the suite prints."""
    outcome, why = {}, {}
    for line in lines:
        log.write(line)
        if m := OUTCOME.match(line):
            outcome[m[1]] = m[2]
        elif m := WHY.match(line):
            why[m[1]] = m[2]
        elif m := CLASS_WHY.match(line):
            why[m[1]] = m[2]
            outcome[m[1]] = 'is not possible'
    return outcome, why


def sort_out(outcome, excluded):
    """(passed, known not to count, bad)"""
    passed = [t for t, o in outcome.items() if o == 'Success']
    known = [t for t, o in outcome.items() if o == 'is not possible' and names(t, excluded['impossible'])
             or o == 'Failed' and t in excluded['wrong']]
    return passed, known, sorted(set(outcome) - set(passed) - set(known))


def verdict(outcome, why, excluded, status):
    passed, known, bad = sort_out(outcome, excluded)
    for t in bad:
        print('FAIL %s: %s: %s' % (t, outcome[t], why.get(t, 'no reason given')))
    # 2: some have failed, those that do not count among them.
    broken = status not in (0, 2)
    if broken:
        print('FAIL the suite ended with %d' % status)
    print('%d passed, %d failed, %d do not count, for reasons in excluded.txt' % (len(passed), len(bad), len(known)))
    return 1 if bad or broken or not passed else 0


def play(argv, log):
    """Runs the suite: (outcome, why, exit status)."""
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors='replace', start_new_session=True)
    signal.signal(signal.SIGALRM, lambda *_: p.kill())
    signal.alarm(LIMIT_S)
    try:
        outcome, why = listen(p.stdout, log)
        return outcome, why, p.wait()
    finally:
        signal.alarm(0)
        p.kill()


def run(args, path):
    build, excluded = args.bin.removesuffix('/').removesuffix('/bin'), exclusions()
    server = Server(build, {'register.remove': 'true'}, DOMAIN, args.reactors)
    began = time.monotonic()
    try:
        server.settings['external.services'] = relays(server)
        server.start()
        dns = Dns(DOMAIN, server.port)
        dns.start()
        with open(os.path.join(build, 'tests', 'sint.log'), 'w') as log:
            outcome, why, status = play(command(args, path, server, dns, excluded, args.only), log)
            for _ in range(AGAIN):
                bad = sort_out(outcome, excluded)[2]
                if not 0 < len(bad) <= AGAIN_MOST:
                    break
                print('once more: ' + ', '.join('%s (%s)' % (t, why.get(t, outcome[t])[:200]) for t in bad))
                second, reasons, _ = play(command(args, path, server, dns, excluded, ','.join(bad)), log)
                outcome.update((t, second.get(t, outcome[t])) for t in bad)
                why.update(reasons)
        reports = server.sanitizer_reports()
        print('\n'.join(reports))
        print('%d s; all that was said is in %s' % (time.monotonic() - began, log.name))
        return verdict(outcome, why, excluded, status) or (1 if reports else 0)
    finally:
        if args.keep:
            server.keep()
            print('the server is left as it is, in ' + server.dir)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--bin', required=True, metavar='BUILD', help='build folder (its programs are in BUILD/bin)')
    a.add_argument('--suite', metavar='PATH', default=os.environ.get('CHANCERY_SINT_JAR'), help='another suite: a class path')
    a.add_argument('--only', metavar='NAME,...', help='only these classes, or CLASS.METHOD')
    a.add_argument('--reactors', type=int, default=4)
    a.add_argument('--debug', action='store_true', help='the log shows what is sent and received')
    a.add_argument('--keep', action='store_true')
    args = a.parse_args()
    if not shutil.which('java') or not shutil.which('keytool'):
        print('skipped: no Java (Debian: apt-get install default-jre-headless)')
        return SKIPPED
    path = args.suite or maven_suite(args.bin.removesuffix('/').removesuffix('/bin'))
    if not path:
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(args, path)
    finally:
        remove_all()


if __name__ == '__main__':
    sys.exit(main())
