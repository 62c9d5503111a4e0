"""The certification authority of a run's other servers: certificates that are all right. Those that are not: zoo.py."""
import atexit
import os
import shutil
import subprocess
import tempfile
import threading
from collections import namedtuple

Certificate = namedtuple('Certificate', 'pem key')      # names of files

_lock = threading.Lock()
_authority = None


def openssl(*args, stdin=None):
    p = subprocess.run(['openssl', *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if p.returncode:
        raise RuntimeError('openssl %s: %s' % (' '.join(args), p.stderr.decode(errors='replace')))
    return p.stdout


class Authority:
    """`pem` is its own certificate."""

    def __init__(self, name='Test CA of other servers'):
        self.dir = tempfile.mkdtemp(prefix='chancery-ca-')
        os.chmod(self.dir, 0o755)
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        self.pem, self.key = self.path('ca.pem'), self.path('ca.key')
        self.lock, self.made = threading.Lock(), {}
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3', '-subj', '/CN=' + name,
                '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
                '-keyout', self.key, '-out', self.pem)

    def path(self, name):
        return os.path.join(self.dir, name)

    def certificate(self, *domains, names=None, usage='serverAuth', serial=''):
        """For these domains (DNS names), or for `names` as openssl writes them; made once, `serial` tells several apart. As public
        authorities issue them nowadays: for servers only, whichever end shows it."""
        names = names or ','.join('DNS:' + d for d in domains)
        with self.lock:
            if (names, usage, serial) not in self.made:
                base = self.path('%d' % len(self.made))
                c = Certificate(base + '.pem', base + '.key')
                openssl('req', '-x509', '-CA', self.pem, '-CAkey', self.key, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                        '-nodes', '-days', '2', '-subj', '/CN=a server', '-addext', 'basicConstraints=critical,CA:FALSE',
                        '-addext', 'keyUsage=critical,digitalSignature', '-addext', 'extendedKeyUsage=' + usage,
                        '-addext', 'subjectAltName=' + names, '-keyout', c.key, '-out', c.pem)
                self.made[names, usage, serial] = c
            return self.made[names, usage, serial]


def authority():
    """The one of this run."""
    global _authority
    with _lock:
        if _authority is None:
            _authority = Authority()
        return _authority


def pin(certificate):
    """sha256/… of the key in a certificate, as `chancery federation allow --pin` takes it."""
    import base64
    import hashlib
    key = openssl('x509', '-in', certificate.pem, '-noout', '-pubkey')
    der = openssl('pkey', '-pubin', '-outform', 'DER', stdin=key)
    return 'sha256/' + base64.b64encode(hashlib.sha256(der).digest()).decode()
