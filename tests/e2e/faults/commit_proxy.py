#!/usr/bin/env python3
"""commit_proxy.py LISTEN UPSTREAM [ACCOUNT]: stands between chanceryd and PostgreSQL (unix sockets) and breaks the archive writer's connection.

It runs as ACCOUNT, the server's, for PostgreSQL asks the kernel who is there (peer authentication). It follows the protocol's messages (PostgreSQL documentation, "Frontend/Backend Protocol"), so that a cut can fall between a
commit and its answer. One command a line on standard input, each for one batch (COPY, or a prepared INSERT) of the writer; what was done is
answered by a line on standard output when it happens:

    before      the end of the batch is not passed on: PostgreSQL rolls back
    done        the end of the batch is passed on, nobody waits for what comes of it
    answer      PostgreSQL has committed and says so; the connection breaks before it is passed on
    hold S      the answer is passed on S seconds late
    holdcut S   S seconds late the connection breaks instead
    all         every connection breaks, now
"""
import asyncio
import os
import pwd
import struct
import sys

WRITER = b'chancery archive\0'


class Proxy:
    def __init__(self, upstream):
        self.upstream = upstream
        self.order = None       # the command that waits for a batch
        self.links = set()

    def done(self):
        order, self.order = self.order, None
        print(order[0], flush=True)

    async def serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, (reader, writer), (up_reader, up_writer))
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)

    async def commands(self):
        loop = asyncio.get_running_loop()
        pipe = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(pipe), sys.stdin)
        while line := await pipe.readline():
            words = line.decode().split()
            if words == ['all']:
                for link in list(self.links):
                    link.cut()
                print('all', flush=True)
            elif words:
                self.order = words


class Link:
    """A client's connection and ours behind it."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.is_writer = False
        self.batch = None       # the command that this batch has drawn
        self.inserts = set()    # the names of prepared statements that write batches
        self.inserting = False  # one of them is on its way: its Sync is the end of the batch
        self.over = b'C'        # what PostgreSQL says when the batch is committed; of an INSERT, that it is ready for the next (Z)

    def cut(self):
        for _, w in (self.client, self.server):
            w.transport.abort()

    async def run(self):
        ways = [asyncio.ensure_future(w) for w in (self.forward(), self.backward())]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        self.cut()
        for w in ways:
            w.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def ends_batch(self, kind, rest):
        """Whether this message of the writer is the end of a batch."""
        if kind == b'P':
            name, text = rest.split(b'\0')[:2]
            if text.startswith(b'INSERT INTO archive.record'):
                self.inserts.add(name)
        elif kind == b'B':
            self.inserting = rest.split(b'\0')[1] in self.inserts
        elif kind == b'S' and self.inserting:
            self.inserting, self.over = False, b'Z'
            return True
        elif kind == b'c':
            self.over = b'C'
            return True
        return False

    async def forward(self):
        (reader, _), (_, writer) = self.client, self.server
        head = await reader.readexactly(4)
        rest = await reader.readexactly(struct.unpack('!I', head)[0] - 4)
        self.is_writer = WRITER in rest
        writer.write(head + rest)
        while True:
            head = await reader.readexactly(5)
            rest = await reader.readexactly(struct.unpack('!I', head[1:])[0] - 4)
            if self.is_writer and self.ends_batch(head[:1], rest) and self.proxy.order:
                self.batch = self.proxy.order
                self.proxy.done()
                if self.batch[0] == 'before':
                    return
            writer.write(head + rest)
            await writer.drain()
            if self.batch and self.batch[0] == 'done':
                # Aborting now could take back what the kernel has not sent yet.
                while writer.transport.get_write_buffer_size():
                    await asyncio.sleep(0)
                writer.close()
                return

    async def backward(self):
        (_, writer), (reader, _) = self.client, self.server
        while True:
            head = await reader.readexactly(5)
            rest = await reader.readexactly(struct.unpack('!I', head[1:])[0] - 4)
            if head[:1] == self.over and self.batch:
                order, self.batch = self.batch, None
                if order[0] in ('hold', 'holdcut'):
                    await asyncio.sleep(float(order[1]))
                if order[0] in ('answer', 'holdcut'):
                    return
            writer.write(head + rest)
            await writer.drain()


async def main():
    proxy = Proxy(sys.argv[2])
    await asyncio.start_unix_server(proxy.serve, sys.argv[1])
    print('ready', flush=True)
    await proxy.commands()


def become(name):
    account = pwd.getpwnam(name)
    os.initgroups(name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


if len(sys.argv) > 3:
    become(sys.argv[3])
asyncio.run(main())
