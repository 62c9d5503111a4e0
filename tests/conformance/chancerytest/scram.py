"""The client's side of SCRAM (RFC 5802, RFC 7677), in steps, so that a scenario can say something wrong at each."""
import base64
import hashlib
import hmac
import secrets

HASHES = {'SCRAM-SHA-1': 'sha1', 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512'}
_salted = {}


class Scram:
    def __init__(self, mechanism, user, password, authzid=None, binding=None, gs2=None):
        """binding: (type, bytes) for a -PLUS mechanism. gs2: the header's flag to send instead of the right one."""
        self.hash = HASHES[mechanism.removesuffix('-PLUS')]
        self.user, self.password = user, password
        self.binding_data = binding[1] if binding else b''
        flag = gs2 or ('p=' + binding[0] if binding else 'n')
        name = authzid and 'a=' + authzid.replace('=', '=3D').replace(',', '=2C') or ''
        self.gs2 = '%s,%s,' % (flag, name)
        self.nonce = secrets.token_hex(12)

    def first(self):
        self.bare = 'n=%s,r=%s' % (self.user.replace('=', '=3D').replace(',', '=2C'), self.nonce)
        return (self.gs2 + self.bare).encode()

    def final(self, challenge):
        """client-final-message for a server-first-message."""
        challenge = challenge.decode()
        self.server_first = dict(p.split('=', 1) for p in challenge.split(','))
        f = self.server_first
        if not f['r'].startswith(self.nonce) or len(f['r']) < len(self.nonce) + 8:
            raise AssertionError('the server did not extend the nonce')
        key = (self.hash, self.password, f['s'], f['i'])
        if key not in _salted:
            _salted[key] = hashlib.pbkdf2_hmac(self.hash, self.password.encode(),
                                               base64.b64decode(f['s'], validate=True), int(f['i']))
        salted = _salted[key]
        bare = 'c=%s,r=%s' % (base64.b64encode(self.gs2.encode() + self.binding_data).decode(), f['r'])
        auth = ('%s,%s,%s' % (self.bare, challenge, bare)).encode()
        client = self._hmac(salted, b'Client Key')
        signature = self._hmac(hashlib.new(self.hash, client).digest(), auth)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        self.expected = self._hmac(self._hmac(salted, b'Server Key'), auth)
        return ('%s,p=%s' % (bare, base64.b64encode(proof).decode())).encode()

    def check(self, success):
        """The server proves that it knows the password, too."""
        if not hmac.compare_digest(success, b'v=' + base64.b64encode(self.expected)):
            raise AssertionError('wrong server signature: %r' % success)

    def _hmac(self, key, data):
        return hmac.new(key, data, self.hash).digest()
