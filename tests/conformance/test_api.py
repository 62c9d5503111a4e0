"""Issue 7: the API over HTTPS: who may what, what is wrong is refused in words, and nobody holds up anybody else."""
import json
import select
import subprocess
import threading

from chancerytest.client import PATIENCE, unique
from chancerytest.desk import ROLES, Person, api, control, path_of, post, refused
from chancerytest.scenario import alone
from chancerytest.web import Http

JSON = {'Content-Type': 'application/json'}

# Who may what: a decision for every verb. A verb that is not here fails the test `matrix`.
DECIDED = {
    'admin': '''user.add user.import user.list user.show user.password user.disable user.enable user.delete user.set user.count user.names
                device.list device.password device.revoke mfa.make mfa.show mfa.reset session.list session.close status announce config.check config.reload
                invite.create invite.list invite.revoke room.list room.show room.create room.affiliation room.destroy
                federation.allow federation.deny federation.approve federation.withdraw federation.list federation.show federation.proposals
                federation.report federation.test federation.pin
                files.status files.find files.show quarantine.list quarantine.show quarantine.release quarantine.approve quarantine.withdraw
                quarantine.delete
                component.add component.set component.secret component.disable component.enable component.remove component.grant component.revoke
                component.list component.show
                gateway.add gateway.set gateway.enable gateway.disable gateway.remove gateway.allow gateway.deny gateway.forget gateway.list
                gateway.show gateway.users gateway.rotate-key
                person.add person.list person.show person.roles person.disable person.enable token.new log.rotate''',
    'admin officer': 'archive.prove log.checkpoint log.consistency log.keys',
    'officer dpo': 'archive.export export.list export.show export.cancel export.remove export.fetch',
    'officer': 'export.preview archive.search archive.show hold.add hold.list hold.show hold.release',
    'officer auditor': 'audit.list',
    'dpo': '''erasure.request erasure.preview erasure.list erasure.show erasure.grant erasure.refuse erasure.certificate
              retention.set retention.remove retention.preview retention.run''',
    'admin officer dpo': 'approval.list approval.show approval.approve approval.deny',
    'admin officer auditor dpo': 'retention.list retention.runs whoami token.list token.revoke archive.status archive.verify',
}


def decided():
    return {verb: set(roles.split()) for roles, verbs in DECIDED.items() for verb in verbs.split()}


def description(t):
    h = Http(t.server, t.source)
    a = h.ask('GET', '/api/v1/openapi.json')
    assert a.status == 200 and a.get('content-type') == 'application/json', a
    h.close()
    return json.loads(a.body)


def verbs(t):
    """{noun.verb: (words, roles)} of the description."""
    return {p[1:].replace('/', '.'): (p[1:].split('/'), set(o['post']['x-roles'])) for p, o in description(t)['paths'].items() if 'post' in o}


def bearer(token, **more):
    return {**JSON, 'Authorization': 'Bearer ' + token, **more}


def problem(a, status):
    assert a.status == status and a.get('content-type') == 'application/problem+json', (status, a)
    body = json.loads(a.body)
    assert body['status'] == status and body['detail'] and body['type'] == 'about:blank' and body['title'], body
    return body['detail']


def test_description(t):
    """Issue 7: OpenAPI 3.1 says what there is: each verb once, with its arguments, who may, and whether a second person is wanted"""
    d = description(t)
    assert d['openapi'] == '3.1.0' and d['servers'] == [{'url': '/api/v1'}] and '/exports/{id}' in d['paths'], d['openapi']
    op = d['paths']['/token/new']['post']
    schema = op['requestBody']['content']['application/json']['schema']
    assert schema['required'] == ['name', 'role'] and schema['properties']['scope'] == {'type': 'array', 'items': {'type': 'string'}}, schema
    assert schema['additionalProperties'] is False and op['x-roles'] == ['admin'] and op['x-four-eyes'] is True
    names = set()
    for path, item in d['paths'].items():
        for op in item.values():
            assert op['summary'] and op['operationId'] not in names, (path, op)
            names.add(op['operationId'])
            body = op.get('requestBody')
            for name, type_ in (body['content']['application/json']['schema']['properties'] if body else {}).items():
                assert type_.get('type') in (None, 'string', 'integer', 'boolean', 'array', 'object'), (path, name, type_)
    def refs(x):
        if isinstance(x, dict):
            for k, v in x.items():
                if k == '$ref':
                    where = d
                    for part in v[2:].split('/'):
                        where = where[part]
                refs(v)
        elif isinstance(x, list):
            for v in x:
                refs(v)
    refs(d)


@alone(limits__auth_failures_per_address='100000', limits__api_waiting='1000')
def test_matrix(t):
    """Issue 7: every verb × every role × every state of a token: exactly who was decided may, and nobody else"""
    table, there = decided(), verbs(t)
    assert set(there) <= set(table), 'nobody has decided who may: %s' % sorted(set(there) - set(table))
    persons = {role: Person(t, role) for role in ROLES}
    narrow = {role: p.new_token(scope=['whoami']) for role, p in persons.items()}
    states = {'wrong': 'cht_' + '0' * 64}
    for role, name, change in (('admin', 'expired', "update compliance.token set expires_at = now() where id = %d"),
                               ('officer', 'revoked', "update compliance.token set revoked_at = now() where id = %d"),
                               ('admin', 'disabled', "update compliance.person p set disabled = true from compliance.token t where p.id = t.person and t.id = %d"),
                               ('dpo', 'without the role', "update compliance.person p set roles = 0 from compliance.token t where p.id = t.person and t.id = %d")):
        p = Person(t, role)
        t.server.psql(change % p.token_id)
        states['%s, %s' % (name, role)] = p.token
    # (what is wrong with it, fields, statuses that are right by verb). Nothing is done by any of them: there is no such argument.
    rounds = [('without a token', JSON, lambda verb: (401,))]
    rounds += [(name, bearer(token), lambda verb: (401,)) for name, token in states.items()]
    rounds += [('as ' + role, bearer(p.token), lambda verb, role=role: (400, 422) if role in table[verb] else (403,)) for role, p in persons.items()]
    rounds += [('as %s, out of scope' % role, bearer(token), lambda verb: (400,) if verb == 'whoami' else (403,)) for role, token in narrow.items()]
    wrong = ['%s is described as for %s, decided for %s' % (verb, sorted(roles), sorted(table[verb])) for verb, (_, roles) in there.items() if roles != table[verb]]

    def go(what, fields, right):
        h = Http(t.server, t.source)
        for verb, (words, _) in there.items():
            # Without a token it is refused before its body is read, which would end the connection.
            a = h.ask('POST', path_of(words), fields, '{"matrix":1}' if 'Authorization' in fields else '')
            if a.status not in right(verb) or (a.status == 401) != ('www-authenticate' in a.fields):
                wrong.append('%s %s: %s' % (verb, what, a))
        h.close()
        done.append(what)
    done = []
    threads = [threading.Thread(target=go, args=r) for r in rounds]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    assert len(done) == len(rounds) and not wrong, '\n'.join(wrong[:20])


def test_rows(t):
    """Issue 7: a verb by POST; rows in JSON, or as lines; the same as on the local socket; who logs in is in the audit trail"""
    p = Person(t, 'officer')
    row, = p.ask('whoami')
    assert row['name'] == p.name and row['role'] == 'officer', row
    a = post(t, p.token, ('whoami',), '', Accept='application/x-ndjson')
    lines = [json.loads(line) for line in a.body.splitlines()]
    assert a.get('content-type') == 'application/x-ndjson' and lines == [{'row': row}, {'done': True}], a
    admin = Person(t, 'admin')
    mine = {r['name'] for r in admin.ask('person', 'list')}
    assert {p.name, admin.name} <= mine
    assert {r['name'] for r in control(t.server, 'person', 'list')} >= mine
    who, origin = t.server.psql("select who_name, origin from chancery.audit where action = 'access.login' and target = '%s'" % p.name)[0]
    assert who == p.name and origin == 'https %s role=officer token=%d' % (t.source, p.token_id), origin
    p.ask('whoami')
    assert t.server.value("select count(*) from chancery.audit where action = 'access.login' and target = '%s'" % p.name) == '1'
    # What changes something says who, too.
    name = unique('byapi').lower()
    admin.ask('person', 'add', name=name, roles=['dpo'])
    assert t.server.value("select who_name from chancery.audit where action = 'person.add' and target = '%s'" % name) == admin.name
    a = post(t, admin.token, ('person', 'add'), {'name': name, 'roles': ['dpo']})
    assert 'exists already' in problem(a, 422) and json.loads(a.body)['title'] == 'Unprocessable Content', a


def test_head(t):
    """Issue 7: no page of others may read it, none of it is kept, nothing in it is run; a foreign Origin is refused"""
    p = Person(t, 'officer')
    a = post(t, p.token, ('whoami',), '{}')
    assert a.status == 200 and a.get('cache-control') == 'no-store' and a.get('x-content-type-options') == 'nosniff'
    assert a.get('content-security-policy').startswith("default-src 'none'") and a.get('cross-origin-resource-policy') == 'same-origin'
    assert a.get('strict-transport-security') and not [f for f in a.fields if f.startswith('access-control')]
    a = post(t, p.token, ('whoami',), '{}', Origin='https://evil.example')
    assert a.status == 403 and not [f for f in a.fields if f.startswith('access-control')], a
    h = Http(t.server, t.source)
    assert post(t, p.token, ('whoami',), '{}', Origin='https://' + h.host).status == 200
    for method in ('OPTIONS', 'PUT', 'DELETE'):
        a = h.ask(method, '/api/v1/whoami', bearer(p.token))
        assert a.status == 405 and a.get('allow') == 'GET, HEAD, POST', a
    a = h.ask('GET', '/api/v1/whoami', bearer(p.token))
    assert 'POST' in problem(a, 404)
    a = h.ask('HEAD', '/api/v1/openapi.json')
    assert a.status == 200 and int(a.get('content-length')) > 1000, a
    h.close()
    # HTTP/1.0: no chunks, and the connection ends.
    h = Http(t.server, t.source)
    a = h.ask('POST', '/api/v1/whoami', bearer(p.token), '{}', version='HTTP/1.0')
    assert a.status == 200 and json.loads(a.body)['rows'], a
    h.expect_eof()


def test_wrong_requests(t):
    """Issue 7: malformed JSON, wrong types, crafted paths: each a clear error, as RFC 9457 has it"""
    p = Person(t, 'admin')
    for body in ('x', '[]', '"x"', '7', 'null', '{"a":1', '{} {}', '{"a":1,"a":2}', '{"a":"\\ud800"}', b'{"a":"\xff"}', '{"a":"\\u0000"}', '[' * 100000,
                 '{"a":' * 5000 + '1' + '}' * 5000, '\ufeff{}'):
        a = post(t, p.token, ('whoami',), body)
        assert problem(a, 400), body[:30]
    for path in ('', 'x', 'user', 'user/fly', 'user/list/x', 'user/list/', 'x' * 3000, 'whoami/x', '%75ser', 'user%2flist', 'user/list?x=1', 'exports/0', 'exports/x',
                 'USER/list'):
        h = Http(t.server, t.source)
        a = h.ask('POST', '/api/v1/' + path, bearer(p.token), '{"x":1}')
        assert a.status in (400, 404), (path, a)
        h.close()
    for path in ('exports/', 'exports/0', 'exports/-1', 'exports/1/2', 'exports/x', 'exports/99999999999999999999', 'user/list', '../x'):
        h = Http(t.server, t.source)
        a = h.ask('GET', '/api/v1/' + path, bearer(p.token))
        assert a.status in (400, 404), (path, a)
        h.close()
    for kind in ('text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''):
        assert problem(post(t, p.token, ('whoami',), '{}', **{'Content-Type': kind}), 415)
    assert post(t, p.token, ('whoami',), '{}', **{'Content-Type': 'Application/JSON; charset=utf-8'}).status == 200
    for field in ('Basic YTpi', 'Bearer', 'Bearer ', p.token, 'Bearer ' + 'x' * 5000, 'Bearer ' + p.token + ' x', 'Bearer ' + p.token + ', Bearer ' + p.token):
        h = Http(t.server, t.source)
        assert problem(h.ask('POST', '/api/v1/whoami', {**JSON, 'Authorization': field}, '{}'), 401), field
        h.close()
    # Lower case is as good (RFC 9110 §11.1).
    h = Http(t.server, t.source)
    assert h.ask('POST', '/api/v1/whoami', {**JSON, 'Authorization': 'bearer ' + p.token}, '').status == 200
    h.close()


def test_bodies(t):
    """Issue 7: a body of 1 MB, said before or in chunks, is refused; one that does not come is given up; others are served meanwhile"""
    p = Person(t, 'officer')
    h = Http(t.server, t.source)
    h.request('POST', '/api/v1/whoami', bearer(p.token, **{'Content-Length': '1000000'}))
    assert problem(h.answer(), 413)
    h.close()
    h = Http(t.server, t.source)
    h.send(('POST /api/v1/whoami HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
            % (h.host, p.token)).encode())
    try:
        for _ in range(64):
            h.send(b'4000\r\n' + b' ' * 0x4000 + b'\r\n')
    except OSError:
        pass
    assert problem(h.answer(), 413)
    h.close()
    # As chunks it is as good as in one piece.
    h = Http(t.server, t.source)
    h.send(('POST /api/v1/whoami HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
            '1\r\n{\r\n1\r\n}\r\n0\r\n\r\n' % (h.host, p.token)).encode())
    assert h.answer().status == 200
    h.close()


@alone(limits__http_head_seconds='1', limits__api_at_once='1')
def test_slow_bodies(t):
    """Issue 7: bodies that drip hold no thread and no connection for long: others are served, and they are given up"""
    p = Person(t, 'officer')
    slow = []
    for _ in range(20):
        h = Http(t.server, t.source)
        h.request('POST', '/api/v1/whoami', bearer(p.token, **{'Content-Length': '100'}))
        h.send(b'{')
        slow.append(h)
    assert p.ask('whoami')
    for h in slow:
        assert h.answer().status == 408
        h.close()
    assert p.ask('whoami')


@alone(limits__auth_failures_per_address='5')
def test_tries(t):
    """Issue 7: wrong tokens are bounded by address; who has had a right one there lately is let in all the same, and other addresses are"""
    p, other = Person(t, 'officer'), Person(t, 'officer')
    # Without a token nothing is queued.
    before = t.server.metric('chancery_api_requests_total')
    for field in ('Basic YTpi', 'Bearer', 'Bearer ', p.token, 'Bearer ' + 'x' * 5000):
        h = Http(t.server, t.source)
        a = h.ask('GET', '/api/v1/exports/1', {'Authorization': field})
        assert problem(a, 401) and a.get('www-authenticate'), a
        h.close()
    assert t.server.metric('chancery_api_requests_total') == before
    assert p.ask('whoami')
    for i in range(5):
        refused(401, api, t, 'cht_%064x' % i, 'whoami')
    a = post(t, 'cht_%064x' % 7, ('whoami',), '{}')
    assert problem(a, 429) and a.get('retry-after'), a
    refused(429, other.ask, 'whoami')
    assert p.ask('whoami')
    t.source = t.source.replace('127.', '127.1', 1)
    assert other.ask('whoami')
    assert t.server.metric('chancery_access_throttled_total') >= 2 and t.server.metric('chancery_access_refused_total') >= 5


@alone(limits__api_at_once='2', limits__api_per_token='2', limits__api_waiting='3')
def test_many_at_once(t):
    """Issue 7: requests of a token, and in all, are bounded; what is over is told to come later; messages are not held up"""
    p, q = Person(t, 'admin'), Person(t, 'admin')
    a, b = t.friends()
    def attempt():
        """On a slow machine PostgreSQL ends the first waits (lock_timeout) before the last request is there: False, and all is over."""
        # Locked: whoever shows a token waits for it.
        lock = subprocess.Popen(['psql', '-X', '-q', t.server.env['CHANCERY_PG']], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lock.stdin.write("begin; lock table compliance.person in access exclusive mode; select 'held';\n")
        lock.stdin.flush()
        while 'held' not in lock.stdout.readline():
            pass
        waiting = []
        try:
            for who in (p, p, q, q):
                h = Http(t.server, t.source)
                h.request('POST', '/api/v1/person/list', bearer(who.token), '{}')
                waiting.append(h)
            t.server.wait(lambda: t.server.metric('chancery_api_under_way') == 4 or ended(waiting), 'four requests to be there')
            over = post(t, p.token, ('person', 'list'), '{}')
            held = not ended(waiting)
            if held:
                assert problem(over, 429) and over.get('retry-after'), over
            a.message(b.jid, 'meanwhile')
            assert b.expect_message('meanwhile') is not None
            waiting.pop().close()
        finally:
            lock.stdin.write('rollback;\n')
            lock.stdin.close()
            lock.wait()
        for h in waiting:
            answer = h.answer(timeout=PATIENCE)
            assert answer.status == 200 or 'lock timeout' in problem(answer, 503), answer
            h.close()
        t.server.wait(lambda: t.server.metric('chancery_api_under_way') == 0, 'all requests to be over')
        return held

    def ended(waiting):
        return bool(select.select([h.sock for h in waiting], [], [], 0)[0])
    assert any(attempt() for _ in range(5)), 'five times the machine was too slow'


def over_https(t, *args, token=None, url=None, ca=True, stdin=''):
    more = ['--ca', t.server.ca] if ca else []
    env = {'PATH': '/usr/bin:/bin', **({'CHANCERY_TOKEN': token} if token else {})}
    p = subprocess.run([t.server.build + '/bin/chancery', '--server', url or 'https://localhost:%d' % t.server.port_https, *more, *args], input=stdin,
                       capture_output=True, text=True, timeout=PATIENCE * 10, env=env)
    return p.returncode, p.stdout, p.stderr


def test_command_line(t):
    """Design §8: chancery --server URL: the same verbs, output and exit codes over HTTPS; the certificate is checked"""
    p = Person(t, 'admin')
    other = Person(t, 'dpo')
    for args in (('--json', 'whoami'), ('whoami',), ('--json', 'person', 'show', other.name), ('user', 'list', 'nobody*')):
        code, out, err = over_https(t, *args, token=p.token)
        assert (code, err) == (0, ''), (args, code, err)
        assert out == p.cli(*args)[1], (args, out)
    jid = '%s@%s' % (unique('far'), t.server.domain)
    code, out, err = over_https(t, 'user', 'add', jid, '--password-stdin', token=p.token, stdin='pw\n')
    assert code == 0 and jid in out, (code, out, err)
    code, out, err = over_https(t, 'user', 'add', jid, '--password-stdin', token=p.token, stdin='pw\n')
    assert code == 1 and 'exists already' in err, (code, err)
    for kw, word in ((dict(token=None), '--token-file'), (dict(token='cht_' + '0' * 64), 'not known'), (dict(token=p.token, ca=False), 'certificate'),
                     (dict(token=p.token, url='https://127.0.0.2:%d' % t.server.port_https), ''), (dict(token=p.token, url='http://localhost'), 'https://'),
                     (dict(token=p.token, url='https://localhost:1'), '')):
        code, out, err = over_https(t, 'whoami', **kw)
        assert code == 1 and out == '' and word in err and err.strip(), (kw, code, err)
    officer = Person(t, 'officer')
    code, out, err = over_https(t, 'user', 'list', token=officer.token)
    assert code == 1 and 'not allowed' in err, (code, err)
    assert over_https(t, 'fly', token=p.token)[0] == 2
