"""The last seconds of the compressed stream, in RAM and bounded, from which a violation's pictures are taken.

A passage is judged after it happened, so its pictures must be kept before anybody knows that they are wanted. Packets
are kept as they came: nothing is encoded again, and nothing touches a disk.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

from edge.errors import EvidenceError
from edge.evidence.excerpt import Excerpt
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.records import EncodedPacket, VideoFormat

# A clip may begin or end by less than this beside the wanted instant without anybody being told.
_TOLERANCE_NS = NS_PER_S // 2


@dataclass(slots=True, eq=False)
class _Group:
    """A key frame's packet and those up to the next. ``start_ns`` is the key picture's instant, once it is decoded."""

    packets: list[EncodedPacket] = field(default_factory=list)
    size: int = 0
    start_ns: int | None = None
    is_in_ring: bool = True

    def add(self, packet: EncodedPacket) -> None:
        self.packets.append(packet)
        self.size += len(packet.data)


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Loan:
    """Lives as long as an excerpt that shares the first ``size`` bytes of a group."""

    group: _Group
    size: int


class PacketRing:
    """A tap of one video source. All methods may be called from any thread.

    ``keep_s`` is how long a picture is kept without being held, ``max_bytes`` what the ring and the excerpts taken from
    it may hold together. It begins with a key frame always, so it may keep longer by the distance of two. Where bytes
    run short the oldest pictures go first, held ones too, and the excerpts say so.
    """

    def __init__(self, keep_s: float, max_bytes: int) -> None:
        self._keep_ns = round(keep_s * NS_PER_S)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._format: VideoFormat | None = None
        self._groups: deque[_Group] = deque()
        self._ring_bytes = 0
        self._loans: WeakSet[_Loan] = WeakSet()
        self._stamps: deque[tuple[int, int | None, int | None]] = deque()
        self._holds: list[Hold] = []
        self._last_dts: int | None = None
        self._ended = False
        self._overrun_ns: int | None = None  # pictures before it went for want of room
        self.overruns = 0

    # What the source calls.

    def start(self, video_format: VideoFormat) -> None:
        """The stream begins, or does so again: what was kept of it before goes, since its stamps may come once more."""
        with self._lock:
            if self._ended:
                self._ended = False
                self._give_up_all()
                self._last_dts = None
            self._format = video_format

    def packet(self, packet: EncodedPacket) -> None:
        """Keep a packet; those before the first key frame are of no use."""
        with self._lock:
            if self._begins_anew(packet):
                self._give_up_all()
            if packet.is_key:
                self._groups.append(_Group())
            if self._groups:
                self._groups[-1].add(packet)
                self._ring_bytes += len(packet.data)
                self._make_room()

    def frame(self, pts: int | None, dts: int | None, t_ns: int, *, is_key: bool) -> None:
        """Note a picture's instant, and let go of what has grown too old."""
        with self._lock:
            self._stamps.append((t_ns, pts, dts))
            if self.overruns and not self._groups:
                self._overrun_ns = t_ns  # until the next key frame nothing can be kept
            if is_key or pts is not None:
                self._date(pts, dts, t_ns)
            self._forget(t_ns - self._keep_ns)

    def end(self) -> None:
        """The stream has ended: every hold is ready."""
        with self._lock:
            self._ended = True

    # What the node calls.

    def hold(self, from_ns: int, until_ns: int) -> Hold:
        """Keep the pictures of a span, whose end may lie ahead, until they are taken or given up."""
        hold = Hold(self, from_ns, until_ns)
        with self._lock:
            self._holds.append(hold)
        return hold

    @property
    def held_bytes(self) -> int:
        """Bytes of packets in the ring and in excerpts that still live."""
        with self._lock:
            return self._ring_bytes + self._lent_bytes()

    def _latest_ns(self) -> int | None:
        return self._stamps[-1][0] if self._stamps else None

    def _lent_bytes(self) -> int:
        """Bytes that excerpts keep alive after the ring has let go of them."""
        lent: dict[_Group, int] = {}
        for loan in self._loans:
            if not loan.group.is_in_ring:
                lent[loan.group] = max(loan.size, lent.get(loan.group, 0))
        return sum(lent.values())

    def _make_room(self) -> None:
        while self._groups and self._ring_bytes + self._lent_bytes() > self._max_bytes:
            self._drop_oldest()
            self.overruns += 1
            start_ns = self._groups[0].start_ns if self._groups else None
            latest_ns = self._latest_ns()
            if start_ns is not None or latest_ns is not None:
                self._overrun_ns = start_ns if start_ns is not None else latest_ns

    def _begins_anew(self, packet: EncodedPacket) -> bool:
        """Whether the stream's own clock jumps back; then two pictures may bear the same stamps."""
        before, self._last_dts = self._last_dts, packet.dts
        return before is not None and packet.dts is not None and packet.dts < before

    def _give_up_all(self) -> None:
        while self._groups:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        group = self._groups.popleft()
        group.is_in_ring = False
        group.packets = []
        self._ring_bytes -= group.size

    def _date(self, pts: int | None, dts: int | None, t_ns: int) -> None:
        """Give a group the instant of its first picture, which is its key picture unless the source left that out.

        It is the newest group whose key packet's ``pts`` is not after the picture's. AVI has none: there only key
        pictures tell, and it is the newest whose key packet is not after the packet that released the picture.
        """
        for group in reversed(self._groups):
            if group.start_ns is not None:
                return
            key = group.packets[0]
            if pts is not None and key.pts is not None:
                begun = key.pts <= pts
            else:
                begun = key.dts is None or dts is None or key.dts <= dts
            if begun:
                group.start_ns = t_ns
                return

    def _forget(self, before_ns: int) -> None:
        """Let go of the groups that end before an instant and that nobody holds."""
        needed_ns = min((hold.from_ns for hold in self._holds), default=before_ns)
        for _ in range(_groups_before(self._groups, min(before_ns, needed_ns))):
            self._drop_oldest()
        start_ns = next((group.start_ns for group in self._groups if group.start_ns is not None), before_ns)
        while self._stamps[0][0] < start_ns:
            self._stamps.popleft()

    # What a hold calls.

    def _is_past(self, hold: Hold) -> bool:
        with self._lock:
            latest_ns = self._latest_ns()
            return self._ended or (latest_ns is not None and latest_ns > hold.until_ns)

    def _release(self, hold: Hold) -> None:
        with self._lock:
            if hold in self._holds:
                self._holds.remove(hold)

    def _take(self, hold: Hold) -> Excerpt:
        with self._lock:
            if hold not in self._holds:
                raise EvidenceError("these pictures were taken or given up already: hold them anew")
            self._holds.remove(hold)
            if self._format is None:
                raise EvidenceError("no picture came yet: wait until the hold is ready")
            groups = list(self._groups)[_groups_before(self._groups, hold.from_ns) :]
            groups = groups[: _groups_up_to(groups, hold.until_ns)]
            loans = tuple(_Loan(group, group.size) for group in groups)
            self._loans.update(loans)
            return Excerpt(
                video_format=self._format,
                packets=tuple(packet for group in groups for packet in group.packets),
                stamps=self._stamps_of(groups),
                wanted_ns=(hold.from_ns, hold.until_ns),
                shortened=tuple(self._shortened(hold, groups)),
                loan=loans,
            )

    def _stamps_of(self, groups: list[_Group]) -> dict[tuple[int | None, int | None], int]:
        start_ns = groups[0].start_ns if groups else None
        if start_ns is None:
            return {}
        return {(pts, dts): t_ns for t_ns, pts, dts in self._stamps if t_ns >= start_ns}

    def _shortened(self, hold: Hold, groups: list[_Group]) -> Iterator[str]:
        latest_ns, start_ns = self._latest_ns(), groups[0].start_ns if groups else None
        if start_ns is None or latest_ns is None:
            yield "There is no picture of the passage" + self._why(hold)
            return
        late_s, early_s = (start_ns - hold.from_ns) / NS_PER_S, (hold.until_ns - latest_ns) / NS_PER_S
        if start_ns - hold.from_ns > _TOLERANCE_NS:
            yield f"The clip begins {late_s:.1f} s later than planned" + self._why(hold)
        if hold.until_ns - latest_ns > _TOLERANCE_NS:
            yield f"The clip ends {early_s:.1f} s earlier than planned: the video ended there."

    def _why(self, hold: Hold) -> str:
        if self._overrun_ns is not None and self._overrun_ns > hold.from_ns:
            return f": the {self._max_bytes:,} bytes of memory for video did not hold more."
        return ": the video had not begun, or what came before was given up already."


class Hold:
    """A span of pictures that the ring keeps. ``from_ns`` and ``until_ns`` are its first and last instant."""

    __slots__ = ("_ring", "from_ns", "until_ns")

    def __init__(self, ring: PacketRing, from_ns: int, until_ns: int) -> None:
        self._ring = ring
        self.from_ns = from_ns
        self.until_ns = until_ns

    @property
    def is_ready(self) -> bool:
        """Whether a picture beyond the span was seen, or none will come any more."""
        return self._ring._is_past(self)  # noqa: SLF001 - ring and hold are two halves of one thing

    def take(self) -> Excerpt:
        """The pictures, once; before the hold is ready those that came so far. EvidenceError if there is no hold."""
        return self._ring._take(self)  # noqa: SLF001

    def cancel(self) -> None:
        """Give the pictures up; harmless where they were taken."""
        self._ring._release(self)  # noqa: SLF001


def _groups_before(groups: deque[_Group], t_ns: int) -> int:
    """How many groups can go without the picture at ``t_ns`` or a later one being lost."""
    count = 0
    for index, group in enumerate(groups):
        if group.start_ns is not None and group.start_ns > t_ns:
            break
        if group.start_ns is not None:
            count = index
    return count


def _groups_up_to(groups: list[_Group], t_ns: int) -> int:
    """How many groups it takes to show ``t_ns``; one more, as its first packets may release the last pictures."""
    later = (i for i, group in enumerate(groups) if group.start_ns is not None and group.start_ns > t_ns)
    return next(later, len(groups)) + 1
