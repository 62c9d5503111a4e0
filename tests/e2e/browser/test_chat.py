"""The web chat in Chromium, as people use it: over WebSocket (RFC 7395) and over BOSH (XEP-0124, XEP-0206)."""
import base64
import struct
import zlib

from chancerytest.server import EICAR
from page import Browser


def names(t):
    return t.user(), t.user()


def address(t, user):
    return '%s@%s' % (user[0], t.server.domain)


def at_home(page):
    """Nothing was asked of any other address, and nothing broke."""
    assert not page('foreign'), page('foreign')
    broken = [c for c in page('complaints') if 'Content Security Policy' in c or c.startswith('thrown:')]
    assert not broken, broken


def test_first_page(t):
    """The first page says that messages are archived, by day, by night and on a phone"""
    browser = Browser(t)
    views = {'light': {'colorScheme': 'light'}, 'dark': {'colorScheme': 'dark'},
             'phone': {'colorScheme': 'light', 'viewport': {'width': 390, 'height': 844}, 'isMobile': True, 'hasTouch': True}}
    for name, options in views.items():
        page = browser.page(**options).visit()
        page('see', '#chancery-notice', 'archived')
        page.shot('login-' + name)
        at_home(page)


def test_wrong_password(t):
    """RFC 6120 §6.5: a wrong password is refused, and the page says so"""
    romeo, page = t.user(), Browser(t).page().visit()
    page.login(romeo, 'wrong')
    page('see', 'converse-login-form', 'password is incorrect')


def both_ways(t, transport):
    romeo, juliet = names(t)
    browser = Browser(t)
    a, b = browser.page().online(romeo, transport), browser.page().online(juliet, transport)
    a.open_chat(address(t, juliet))
    a.say('Wherefore art thou, Romeo?')
    b.open_chat(address(t, romeo))
    b.hears('Wherefore art thou')
    b.say('I take thee at thy word')
    a.hears('I take thee at thy word')
    a('see', '#chancery-notice', 'archived')
    a.shot('chat-' + transport)
    for page in (a, b):
        at_home(page)


def test_chat_websocket(t):
    """RFC 7395: Romeo and Juliet talk, both in a browser"""
    both_ways(t, 'websocket')


def test_chat_bosh(t):
    """XEP-0206: the same over BOSH"""
    both_ways(t, 'bosh')


def test_chat_with_others(t):
    """A browser and another client hear each other; what one device of an account says the other shows (XEP-0280)"""
    romeo, juliet = names(t)
    page, phone, other = Browser(t).page(colorScheme='dark').online(romeo), t.online(romeo), t.online(juliet)
    page.open_chat(other.bare)
    page.say('from the browser')
    other.expect_message('from the browser')
    other.message(address(t, romeo), 'from elsewhere')
    page.hears('from elsewhere')
    phone.message(other.bare, 'from my phone')
    page.hears('from my phone')
    page.shot('chat-dark')


def picture():
    """A PNG of 60 × 40, blue."""
    def chunk(kind, data):
        return struct.pack('!I', len(data)) + kind + data + struct.pack('!I', zlib.crc32(kind + data))
    rows = (b'\0' + b'\x20\x50\xd0' * 60) * 40
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('!IIBBBBB', 60, 40, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def test_upload(t):
    """XEP-0363: a picture is uploaded, and shown at the other end; what is infected is not"""
    romeo, juliet = names(t)
    browser = Browser(t)
    a, b = browser.page().online(romeo), browser.page().online(juliet)
    a.open_chat(address(t, juliet))
    b.open_chat(address(t, romeo))
    a('see', 'converse-chat button:has(.fa-paperclip)')
    a('attach', 'converse-chat input.fileupload', 'très bleu.png', 'image/png', base64.b64encode(picture()).decode())
    for page in (a, b):
        page('see', 'converse-chat img.chat-image')
        seen = page('run', "new Promise((done) => { const i = document.querySelector('converse-chat img.chat-image');"
                    " const look = () => done([i.naturalWidth, i.naturalHeight]); i.complete ? look() : (i.onload = i.onerror = look); })")
        assert seen == [60, 40], seen
    b.shot('upload')
    for page in (a, b):
        at_home(page)
    a('attach', 'converse-chat input.fileupload', 'eicar.png', 'image/png', base64.b64encode(EICAR).decode())
    a('see', 'converse-chat-message', 'eicar.png')
    a('click', '.open-headline', t.server.domain)
    a('see', 'converse-headlines .chat-msg__text', 'eicar.png contains a virus')
    a.shot('upload-refused')
    assert b('count', 'converse-chat img.chat-image') == 1


def test_history(t):
    """XEP-0313: after reloading, and in another browser, what was said is there"""
    romeo, juliet = names(t)
    browser = Browser(t)
    page, other = browser.page().online(romeo), t.online(juliet)
    page.open_chat(other.bare)
    page.say('O blessed, blessed night!')
    other.expect_message('O blessed, blessed night!')
    page('reload')
    for p in (page, browser.page()):
        p.online(romeo)
        p.open_chat(other.bare)
        p.hears('blessed night')


def test_early_reload(t):
    """A page that is loaded again before it has learnt all about the server: the next one learns it anew"""
    romeo, juliet = names(t)
    phone, other = t.online(romeo), t.online(juliet)
    other.message(address(t, romeo), 'It is the east')
    phone.expect_message('It is the east')
    page = Browser(t).page()
    for _ in range(3):
        page.online(romeo)
        page('reload')
    page.online(romeo)
    page.open_chat(other.bare)
    page.hears('It is the east')


def in_a_room(t, transport):
    romeo, juliet = names(t)
    browser, room = Browser(t), 'verona-%s@conference.%s' % (transport, t.server.domain)
    a, b = browser.page().online(romeo, transport), browser.page().online(juliet, transport)
    a.enter(room)
    a.say('I am here')
    a.hears('I am here')
    b.enter(room)
    b.say('So am I')
    a.hears('So am I')
    a('see', '#chancery-notice', 'archived')
    a.shot('room-' + transport)


def test_room_websocket(t):
    """XEP-0045: Romeo makes a room by entering it, Juliet comes, they talk"""
    in_a_room(t, 'websocket')


def test_room_bosh(t):
    """XEP-0045: the same over BOSH"""
    in_a_room(t, 'bosh')


def cut(t, transport):
    romeo, juliet = names(t)
    browser = Browser(t)
    page, other = browser.page().online(romeo, transport), t.online(juliet)
    page.open_chat(other.bare)
    page.say('before')
    other.expect_message('before')
    browser.proxy.cut()
    other.message(address(t, romeo), 'while you were away')
    page.hears('while you were away')
    page.say('after')
    other.expect_message('after')


def test_cut_websocket(t):
    """XEP-0198: the network breaks; the chat comes back by itself and nothing is lost"""
    cut(t, 'websocket')


def test_cut_bosh(t):
    """XEP-0124 §13: the same over BOSH"""
    cut(t, 'bosh')


def test_phone(t):
    """On a phone's screen a chat can be read and written, and the notice hides nothing"""
    romeo, juliet = names(t)
    page = Browser(t).page(viewport={'width': 390, 'height': 844}, isMobile=True, hasTouch=True).online(romeo)
    page.shot('phone-list')
    page.open_chat(address(t, juliet))
    page.say('How silver-sweet sound lovers’ tongues by night')
    page.hears('silver-sweet')
    field, notice = page('box', 'textarea.chat-textarea'), page('box', '#chancery-notice')
    assert field['y'] + field['height'] <= notice['y'] + 1, (field, notice)
    assert field['x'] >= 0 and field['x'] + field['width'] <= 390, field
    page.shot('phone-chat')
