"""The scanner of files, as administrators see it (deploy/files.md). What it does to files is in test_upload.py and others; what happens when it
fails in tests/e2e/files."""
import os
import signal

from chancerytest.scenario import alone
from chancerytest.server import SCANNER_DOUBLE, SCANNER_DOWN, SCANNER_EMPTY, SCANNER_OFF, SCANNER_OLD, SCANNER_UP




def test_status(t):
    """Issue 6: the engine, its signatures and their age are shown"""
    row = t.server.files_status()
    assert row['scanner'] == 'up' and row['open'] and not row['why'], row
    assert row['signatures'] == 2 and row['age_hours'] == 0 and row['generation'] >= 1 and row['workers'] == 2, row
    assert row['folder'] == t.server.virus and row['engine'] and not row['trouble'], row
    code, out, err = t.server.cli('files', 'status')
    assert code == 0 and 'Files pass:' in out and not err, (code, out, err)
    assert t.server.metric('chancery_signatures') == 2 and t.server.metric('chancery_signatures_age_seconds') < 86400


@alone(files__on='false')
def test_off(t):
    """Setting files.on: without files nothing is started, and nothing is wrong"""
    assert t.server.scanner_condition() == SCANNER_OFF and not t.server.scanner_pid()
    code, out, err = t.server.cli('files', 'status')
    assert code == 1 and 'off' in out and err, (code, out, err)
    assert t.server.cli('status')[0] == 0


@alone(files__scanner='own', files__signatures_max_age='24h')
def test_conditions(t):
    """Issue 6: no signatures, old ones, no program: said once in the log, shown, and over by themselves"""
    s = t.server
    s.put_scanner(SCANNER_DOUBLE)
    s.write_signatures('mode', 'empty')
    os.kill(s.scanner_pid(), signal.SIGKILL)
    s.wait_scanner(SCANNER_EMPTY)
    code, out, err = s.cli('status')
    assert code == 1 and 'no file passes' in err, (code, out, err)
    row = s.files_status()
    assert row['scanner'] == 'no signatures' and not row['open'] and 'no signatures' in row['why'] and row['trouble'], row
    s.write_signatures('mode', 'old')
    s.wait_scanner(SCANNER_OLD)
    row = s.files_status()
    assert row['open'] and row['age_hours'] == 240, row
    assert 'old signatures' in s.cli('status')[2]
    s.write_signatures('mode', 'good')
    s.wait_scanner()
    assert s.cli('status')[0] == 0
    s.write_signatures('mode', 'refuse')
    s.wait_scanner(SCANNER_DOWN)
    s.wait(lambda: s.metric('chancery_scanner_starts_total') > 3, 'attempts to start it')
    s.write_signatures('mode', 'good')
    s.wait_scanner()
    for event in 'signatures-missing', 'signatures-old':
        assert s.log().count(' %s ' % event) == 1, event
    assert s.log().count(' scanner-down ') == 2, s.log()


@alone(files__on='false', files__signatures_max_age='24h')
def test_switched_on(t):
    """Setting files.on: a reload switches files on, and off again"""
    s = t.server
    for value, condition in (('true', SCANNER_UP), ('false', SCANNER_OFF)):
        with open(s.env['CHANCERY_CONFIG']) as f:
            text = f.read()
        with open(s.env['CHANCERY_CONFIG'], 'w') as f:
            f.write(text.replace('  on: false' if value == 'true' else '  on: true', '  on: ' + value))
        code, out, err = s.cli('config', 'reload')
        assert code == 0, err
        s.wait_scanner(condition)
    s.wait(lambda: not s.scanner_pid(), 'the end of the scanner')
    assert os.listdir(s.path('files', 'scan')) == []
