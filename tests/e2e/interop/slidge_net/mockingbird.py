"""A network for slidge that is not there: everybody has one friend, the bird, who repeats what it is told, says what you would have said, and sends files."""
import socket

import aiohttp.connector
from aiohttp.abc import AbstractResolver
from slidge import BaseGateway, BaseSession, FormField, LegacyContact
from slidge.util.types import LegacyAttachment


class Here(AbstractResolver):
    """No name of ours leads anywhere."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{'hostname': host, 'host': '127.0.0.1', 'port': port, 'family': socket.AF_INET, 'proto': 0, 'flags': 0}]

    async def close(self):
        pass


def resolver(loop=None):
    return Here()


aiohttp.connector.DefaultResolver = resolver


class Gateway(BaseGateway):
    COMPONENT_NAME = 'Mockingbird'
    COMPONENT_TYPE = 'mockingbird'
    REGISTRATION_FIELDS = [FormField(var='username', label='Name', required=True)]

    async def validate(self, user_jid, registration_form):
        return None


class Contact(LegacyContact):
    async def on_message(self, message):
        if message.body.startswith('for me: '):
            self.send_text(message.body[len('for me: '):], carbon=True)
        elif message.body.startswith('send me: '):
            await self.send_files([LegacyAttachment(path=message.body[len('send me: '):])])
        else:
            self.send_text('you said: ' + message.body)


class Session(BaseSession):
    async def login(self):
        bird = await self.contacts.by_legacy_id('bird')
        bird.name = 'The bird'
        bird.is_friend = True
        await bird.add_to_roster()
        bird.online('in the tree')
        return 'perched'

    async def logout(self):
        pass
