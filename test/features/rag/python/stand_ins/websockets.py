"""As much of websockets as the printed client uses, for machines that do not have it: text messages to the end, pings answered."""
import asyncio
import base64
import os
import struct
import urllib.parse

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class _Connection:
    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    async def _frame(self):
        first, second = await self._reader.readexactly(2)
        length = second & 127
        if length == 126:
            (length,) = struct.unpack('>H', await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack('>Q', await self._reader.readexactly(8))
        return first & 128 != 0, first & 15, await self._reader.readexactly(length)

    def _send(self, opcode, payload):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self._writer.write(bytes([128 | opcode, 128 | len(payload)]) + mask + masked)

    async def __aiter__(self):
        message = b''
        while True:
            final, opcode, payload = await self._frame()
            if opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _CLOSE:
                self._send(_CLOSE, payload)
                return
            elif opcode in (0, _TEXT):
                message += payload
                if final:
                    yield message.decode()
                    message = b''

    async def close(self):
        self._writer.close()


class connect:
    def __init__(self, uri):
        self._uri = urllib.parse.urlsplit(uri)

    async def __aenter__(self):
        host, port = self._uri.hostname, self._uri.port
        reader, writer = await asyncio.open_connection(host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f'GET {self._uri.path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
            f'Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n'.encode()
        )
        status = await reader.readline()
        if b' 101 ' not in status:
            raise ConnectionError(status.decode().strip())
        while (await reader.readline()).strip():
            pass
        self._connection = _Connection(reader, writer)
        return self._connection

    async def __aexit__(self, *_):
        await self._connection.close()
