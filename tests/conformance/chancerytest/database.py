"""Questions to PostgreSQL by libpq: a connection for each. psql would cost two hundred times as much, and scenarios poll."""
import ctypes
import ctypes.util
import select
import time

POLLING_FAILED, POLLING_READING, POLLING_OK = 0, 1, 3
RESULT_BAD, RESULT_FATAL = 5, 7

_pq = ctypes.CDLL(ctypes.util.find_library('pq') or 'libpq.so.5')
_notice = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_silent = _notice(lambda arg, message: None)
for name, result, *arguments in (
        ('PQconnectStart', ctypes.c_void_p, ctypes.c_char_p),
        ('PQconnectPoll', ctypes.c_int, ctypes.c_void_p),
        ('PQsetNoticeProcessor', ctypes.c_void_p, ctypes.c_void_p, _notice, ctypes.c_void_p),
        ('PQsocket', ctypes.c_int, ctypes.c_void_p),
        ('PQerrorMessage', ctypes.c_char_p, ctypes.c_void_p),
        ('PQsendQuery', ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
        ('PQconsumeInput', ctypes.c_int, ctypes.c_void_p),
        ('PQisBusy', ctypes.c_int, ctypes.c_void_p),
        ('PQgetResult', ctypes.c_void_p, ctypes.c_void_p),
        ('PQresultStatus', ctypes.c_int, ctypes.c_void_p),
        ('PQresultErrorMessage', ctypes.c_char_p, ctypes.c_void_p),
        ('PQntuples', ctypes.c_int, ctypes.c_void_p),
        ('PQnfields', ctypes.c_int, ctypes.c_void_p),
        ('PQgetvalue', ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int),
        ('PQclear', None, ctypes.c_void_p),
        ('PQfinish', None, ctypes.c_void_p)):
    f = getattr(_pq, name)
    f.restype, f.argtypes = result, arguments


def ask(conninfo, sql, seconds):
    """The rows of all statements, as lists of text ('' for NULL). They are one transaction. RuntimeError: what the server says."""
    deadline = time.monotonic() + seconds
    conn = _pq.PQconnectStart(conninfo.encode())
    try:
        _connect(conn, deadline)
        _pq.PQsetNoticeProcessor(conn, _silent, None)
        if not _pq.PQsendQuery(conn, sql.encode()):
            raise _trouble(conn)
        rows, error = [], None
        while True:
            while _pq.PQisBusy(conn):
                _wait(conn, True, deadline)
                if not _pq.PQconsumeInput(conn):
                    raise _trouble(conn)
            result = _pq.PQgetResult(conn)
            if not result:
                break
            if _pq.PQresultStatus(result) in (RESULT_BAD, RESULT_FATAL):
                error = error or _pq.PQresultErrorMessage(result).decode().strip()
            rows += [[_pq.PQgetvalue(result, r, c).decode() for c in range(_pq.PQnfields(result))]
                     for r in range(_pq.PQntuples(result))]
            _pq.PQclear(result)
        if error is not None:
            raise RuntimeError(error)
        return rows
    finally:
        _pq.PQfinish(conn)


def _connect(conn, deadline):
    polled = POLLING_READING + 1    # libpq begins with writing
    while polled != POLLING_OK:
        if polled == POLLING_FAILED or _pq.PQsocket(conn) < 0:
            raise _trouble(conn)
        _wait(conn, polled == POLLING_READING, deadline)
        polled = _pq.PQconnectPoll(conn)


def _wait(conn, reading, deadline):
    p = select.poll()
    p.register(_pq.PQsocket(conn), select.POLLIN if reading else select.POLLOUT)
    if not p.poll(max(0, deadline - time.monotonic()) * 1000):
        raise RuntimeError('PostgreSQL does not answer')


def _trouble(conn):
    return RuntimeError(_pq.PQerrorMessage(conn).decode().strip())
