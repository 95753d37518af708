"""Certificates of an authority of our own, made by openssl."""

from .process import until
from .server import free_port, is_open

MAKE = ['openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
SIGN = ['openssl', 'x509', '-req', '-days', '2', '-CAcreateserial', '-copy_extensions', 'copy']
NAMES = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']


class Tls:
    """An authority of our own, and socat before servers that have no TLS"""

    def __init__(self, c):
        self.case, self.ca, self.files = c, c.path('ca.pem'), (c.path('server.pem'), c.path('server.key'))
        self.run([*MAKE, '-x509', '-days', '2', '-subj', '/CN=an authority', '-keyout', c.path('ca.key'), '-out', self.ca])
        self.renew()

    def run(self, command):
        status, said = self.case.run('openssl', command, 20)
        assert status == 0, said

    def renew(self):
        """Signs another certificate for localhost, with another key, in the same files"""
        request, (cert, key) = self.case.path('server.csr'), self.files
        self.run([*MAKE, *NAMES, '-keyout', key, '-out', request])
        self.run([*SIGN, '-in', request, '-CA', self.ca, '-CAkey', self.case.path('ca.key'), '-out', cert])

    def before(self, port):
        """Listens with TLS in front of a port"""
        own = free_port()
        files = 'cert=%s,key=%s,verify=0' % self.files
        listen = 'OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,%s' % (own, files)
        self.case.start('socat%d' % port, ['socat', listen, 'TCP:127.0.0.1:%d' % port])
        until(lambda: is_open(own), 10, 'socat to listen')
        return own

    def push(self, port, name):
        """A destination behind `before`; localhost has an address that nobody listens at as well"""
        return {'url': 'rtmps://localhost:%d/live/%s' % (self.before(port), name), 'ca_file': self.ca}
