"""A cable between two processes, which can be pulled out."""

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

CHUNK = 65536  # bytes


class Fault(Enum):
    """What is wrong with the cable."""

    NONE = "none"
    SILENCE = "what is sent arrives nowhere, and nobody is told"
    LOST_ANSWERS = "requests arrive; connections break off before the answer"


@dataclass(slots=True)
class Cable:
    """Carries bytes from a port of its own to another one, as long as nothing is wrong with it."""

    to_port: int = 0
    port: int = 0
    fault: Fault = Fault.NONE
    lost: int = 0
    _listener: socket.socket = field(default_factory=socket.socket)
    _ends: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plug_in(self) -> None:
        """Listen on a free port, for as long as this process lives."""
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def break_off(self, fault: Fault) -> None:
        """Have the fault from now on; connections that stand feel it, too."""
        self.fault = fault

    def mend(self) -> None:
        """Carry everything again; connections that stood are reset, as after a cut."""
        self.fault = Fault.NONE
        self._reset_all()

    def unplug(self) -> None:
        """End for good."""
        self._listener.close()
        self._reset_all()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:  # the other side is down: that is no fault of the cable
                _reset(near)
                continue
            with self._lock:
                self._ends |= {near, far}
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()
            threading.Thread(target=self._carry_back, args=(far, near), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Carry requests."""
        while chunk := _read(source):
            if self.fault is Fault.SILENCE:
                self.lost += 1
                continue
            if not _write(target, chunk):
                break
        self._close(source, target)

    def _carry_back(self, source: socket.socket, target: socket.socket) -> None:
        """Carry answers."""
        while chunk := _read(source):
            if self.fault is Fault.SILENCE:
                self.lost += 1
                continue
            if self.fault is Fault.LOST_ANSWERS:
                self.lost += 1
                _reset(target)
                break
            if not _write(target, chunk):
                break
        self._close(source, target)

    def _close(self, *ends: socket.socket) -> None:
        with self._lock:
            self._ends -= set(ends)
        for end in ends:
            _shut(end)

    def _reset_all(self) -> None:
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            _reset(end)


def _read(source: socket.socket) -> bytes:
    try:
        return source.recv(CHUNK)
    except OSError:
        return b""


def _write(target: socket.socket, chunk: bytes) -> bool:
    try:
        target.sendall(chunk)
    except OSError:
        return False
    return True


def _reset(end: socket.socket) -> None:
    """Close with RST instead of FIN (socket(7), SO_LINGER of zero)."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        return
    _shut(end)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):  # it may have been closed by the other side
        end.shutdown(socket.SHUT_RDWR)
    end.close()
