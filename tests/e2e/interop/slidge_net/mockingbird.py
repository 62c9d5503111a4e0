"""A network for slidge that is not there: everybody has one friend, the bird, who repeats what it is told, and says what you would have said."""
from slidge import BaseGateway, BaseSession, FormField, LegacyContact


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
