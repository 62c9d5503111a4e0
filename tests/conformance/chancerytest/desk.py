"""The compliance desk: persons with roles and tokens, who ask over the control socket or the HTTPS API. Both ask the same verbs, so most scenarios
take whichever is nearer."""
import json
import re
import socket
import subprocess

from .client import PATIENCE, unique
from .web import Http

ROLES = ('admin', 'officer', 'auditor', 'dpo')


class Refused(Exception):
    """What the server said; over HTTPS with its status."""

    def __init__(self, text, status=None, problem=None):
        super().__init__(text)
        self.text, self.status, self.problem = text, status, problem


def control_path(server):
    with open(server.env['CHANCERY_CONFIG']) as f:
        return re.search(r"^  control: '?(.*?)'?$", f.read(), re.M)[1]


def control(server, *words, token=None, **args):
    """The rows of one request on the control socket; Refused."""
    request = {'verb': list(words), 'args': args}
    if token is not None:
        request['token'] = token
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(control_path(server))
        s.sendall(json.dumps(request).encode() + b'\n')
        rows, held = [], b''
        while True:
            while b'\n' not in held:
                data = s.recv(65536)
                if not data:
                    raise EOFError('the control connection was closed')
                held += data
            line, held = held.split(b'\n', 1)
            line = json.loads(line)
            if 'row' in line:
                rows.append(line['row'])
            elif 'error' in line:
                raise Refused(line['error'])
            elif line.get('done'):
                return rows


class Person:
    """Made by an administrator on the local socket. `ask` is over HTTPS, `local` over the socket, `cli` the program."""

    def __init__(self, t, *roles, name=None, **more):
        self.t, self.server, self.roles = t, t.server, roles
        self.name = name or unique('p').lower().replace('_', '-')
        control(self.server, 'person', 'add', name=self.name, roles=list(roles), **more)
        self.token = self.new_token() if roles else None

    def new_token(self, role=None, **more):
        row, = control(self.server, 'token', 'new', name=self.name, role=role or self.roles[0], **more)
        self.token_id = row['token']
        return row['secret']

    def local(self, *words, **args):
        return control(self.server, *words, token=self.token, **args)

    def ask(self, *words, **args):
        return api(self.t, self.token, *words, **args)

    def cli(self, *args, stdin='', token=None):
        """(exit code, standard output, standard error)"""
        p = subprocess.run([self.server.build + '/bin/chancery', '--config', self.server.env['CHANCERY_CONFIG'], *args], input=stdin,
                           capture_output=True, text=True, timeout=300, env={'CHANCERY_TOKEN': token or self.token, 'PATH': '/usr/bin:/bin'})
        return p.returncode, p.stdout, p.stderr


def path_of(words):
    return '/api/v1/' + '/'.join(w for w in words if w)


def post(t, token, words, body, **fields):
    """The raw answer to one request of the API."""
    h = Http(t.server, t.source)
    f = {'Content-Type': 'application/json', **fields}
    if token is not None:
        f['Authorization'] = 'Bearer ' + token
    try:
        return h.ask('POST', path_of(words), f, body if isinstance(body, (str, bytes)) else json.dumps(body))
    finally:
        h.close()


def api(t, token, *words, **args):
    """The rows; Refused."""
    a = post(t, token, words, args)
    body = json.loads(a.body)
    if a.status != 200:
        assert a.get('content-type') == 'application/problem+json' and body['status'] == a.status, a
        raise Refused(body.get('detail', ''), a.status, body)
    return body['rows']


def refused(expected, f, *args, **kw):
    """What it says when it refuses."""
    try:
        got = f(*args, **kw)
    except Refused as e:
        # The control socket has no status.
        assert e.status in (None, expected), 'expected %s, got %s: %s' % (expected, e.status, e.text)
        return e.text
    raise AssertionError('not refused: %r' % (got,))
