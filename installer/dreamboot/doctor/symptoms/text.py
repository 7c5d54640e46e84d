"""A log as people paste it → a log that can be read: no colours, boxes, time stamps, prefixes, and no line breaks."""

# ruff: noqa: RUF001 - lines of logs in their own letters

from __future__ import annotations

import bisect
import codecs
import re
from typing import Dict, Iterator, List, Mapping, Optional, Tuple, Union

from dreamboot.doctor.symptoms.base import LogView, Match
from dreamboot.doctor.symptoms.sign import compile_sign

LARGE = 1_500_000
# Of a large log the beginning, the end, and what stands around these words are read.
KEYWORDS = (
    "error", "exception", "traceback", "fail", "warning", "cannot", "can't", "could not", "couldn't", "killed",
    "no module", "not found", "not supported", "not compatible", "out of memory", "invalid", "unable", "denied",
    "no kernel image", "refused", "nan detected", "no data found", "externally-managed", "incompatible",
    "undefined symbol", "not recognized", "sigkill", "missing",
)  # fmt: skip
HEAD, TAIL, AROUND, PER_KIND = 200_000, 300_000, 1_500, 3
TRIES_PER_SIGN = 60
# Letters of the narrowest line that is taken as broken at the right edge.
WRAPPED = 40

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|[@-Z\\-_])")
# pasted logs often lose the escape character and keep the rest
_BARE_ANSI = re.compile(r"\[(?:\d{1,2};?){1,4}m")
_PREFIX = re.compile(
    r"(?:"
    r"\s*[│┃║╭╰╮╯╔╚╗╝─━═❱┆┊]+"  # rich boxes
    r"|\s*\[?\(?\d{4}[-/.]\d\d[-/.]\d\d[T ,_]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\)?\]?[\s:|-]*"
    r"|\s*\[?\d\d[-/]\d\d[-/](?:\d\d){1,2} \d\d:\d\d:\d\d(?:[.,]\d+)?\]?[\s:|-]*"
    r"|\s*\[?\d{1,2}:\d\d:\d\d(?:[.,-]\d+)?\]?[\s:|-]+"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,60} \S{1,60}: "
    r"|(?:stdout|stderr) [FP] "
    r"|#\d+ \d+\.\d+ "
    r"|\s*\[(?:rank|default|proc|gpu|worker|trainer|local_rank)[ _:=-]?\d+\]:?\s?"
    r"|\s*\[[^\[\]\s]{1,40}\]:\s(?=Traceback|\s+File )"
    r"|[A-Za-z][\w.-]{1,40}-\d+ {1,20}\| "
    r"|> ?"
    r"|\s*\[(?:DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\]?[\s:|-]+"
    r")+"
)
_LEVEL = re.compile(r"\s*(?:DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)[\s:|-]+")
_RANK = re.compile(
    r"\s*(?:[^\[\]]{0,60}?)"
    r"(\[(?:rank|default|proc|gpu|worker|local_rank)[ _:=-]?\d+\]|^[A-Za-z][\w.-]{1,40}-\d+(?= +\| ))"
)
_BOX_END = re.compile(r"[\s│┃║╮╯╗╝─━═]+$")
_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "\xa0": " ", "\u200b": None, "\ufeff": None, "\0": None}
)
_DIGITS = str.maketrans("", "", "0123456789")
_SITE = re.compile(
    r"((?:\b[A-Za-z]:)?[\w./\\ ()+~-]{0,200}?)[/\\]lib(?:64)?[/\\](?:python3\.\d+[/\\])?site-packages", re.IGNORECASE
)
# TensorFlow's own notes (it comes with tensorboard): what it does not find, torch does not miss.
_NOTE = re.compile(r"(?:tensorflow|local_xla|local_tsl|stream_executor)/[\w./-]{0,200}\.cc:\d+\]")
_EXE = re.compile(
    r"((?:\b[A-Za-z]:)?[\w./\\+~-]{1,200}[/\\](?:Scripts[/\\]python\.exe|bin/python3?(?:\.\d+)?))(?![\w.])",
    re.IGNORECASE,
)


class Log(LogView):
    """A cleaned log. `lines` for people and for structure, `lower` (no white space, lower case) for signs."""

    def __init__(self, lines: Tuple[str, ...]) -> None:
        self.lines = lines
        pieces = ["".join(line.split()) for line in lines]
        squeezed = "".join(pieces)
        self.lower = squeezed.lower()
        # A few letters change their length in lower case; the original spelling is then given up.
        self._spelt = squeezed if len(squeezed) == len(self.lower) else self.lower
        self.starts: List[int] = []
        position = 0
        for piece in pieces:
            self.starts.append(position)
            position += len(piece) if self._spelt is squeezed else len(piece.lower())
        self.end = position
        self._found: Dict[str, Optional[Match]] = {}

    @property
    def python(self) -> str:
        """The interpreter that the log's paths belong to, "python" when they do not tell."""
        for line in self.lines:
            if "site-packages" in line or "python" in line.lower():
                found = _EXE.search(line)
                if found:
                    return found.group(1)
                site = _SITE.search(line)
                if site and site.group(1).strip():
                    return _interpreter(site.group(1).strip())
        return "python"

    def line_at(self, position: int) -> int:
        """The number of the line that holds this place of the squeezed text."""
        return max(0, bisect.bisect_right(self.starts, position) - 1)

    def note_at(self, position: int) -> bool:
        """Whether this place of the squeezed text lies in a note of TensorFlow."""
        return bool(self.lines) and _NOTE.search(self.lines[self.line_at(position)]) is not None

    def find(self, sign: str) -> Optional[Match]:
        """The first place of a sign."""
        if sign not in self._found:
            self._found[sign] = next(self.find_all(sign), None)
        return self._found[sign]

    def has(self, *signs: str) -> bool:
        """Whether any of the signs stands in the log."""
        return any(self.find(sign) is not None for sign in signs)

    def find_all(self, sign: str) -> Iterator[Match]:
        """Every place of a sign, up to `TRIES_PER_SIGN` tries: what a log repeats more often teaches nothing new."""
        compiled = compile_sign(sign)
        position = self.lower.find(compiled.anchor)
        tries = 0
        while position >= 0 and tries < TRIES_PER_SIGN:
            tries += 1
            if compiled.leading:
                found = compiled.pattern.match(self.lower, position)
            else:
                found = compiled.pattern.search(
                    self.lower, max(0, position - 320), position + len(compiled.anchor) + 900
                )
            if found and self._at_edges(found.start(), found.end(), compiled.line_start, compiled.line_end):
                yield Match(found.start(), found.end(), self._captures(found))
            position = self.lower.find(compiled.anchor, position + 1)

    def _at_edges(self, start: int, end: int, line_start: bool, line_end: bool) -> bool:
        if line_start and self.starts[self.line_at(start)] != start:
            return False
        return not line_end or end == self.end or self.starts[self.line_at(end)] == end

    def _captures(self, found: re.Match[str]) -> Dict[str, str]:
        """Captures in their own spelling. One that ends the sign stops at the end of its line."""
        kept = {}
        for name, text in found.groupdict().items():
            if text is None:
                continue
            start, end = found.span(name)
            if end == found.end():
                line = self.line_at(start)
                end = min(end, self.starts[line + 1] if line + 1 < len(self.starts) else self.end)
            kept[name] = self._spelt[start:end].rstrip(".,:;")
        return kept


def read_log(data: Union[str, bytes]) -> Log:
    """Any text or bytes → a cleaned log; never raises, and takes under a second for 10 MB."""
    text = decode(data) if isinstance(data, bytes) else data
    if len(text) > LARGE:
        text = reduce(text)
    text = text.translate(_QUOTES) if not text.isascii() or "\0" in text else text
    if text.count("\n") < 3 and (
        text.count("\\n") > 5 or text.lstrip()[:1] in ("{", '"', "[")
    ):  # one JSON string, or a repr
        text = text.replace("\\r", "").replace("\\n", "\n").replace('\\"', '"')
    if "&#" in text or "&lt;" in text or "&quot;" in text:
        import html

        text = html.unescape(text)
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "m" in text and "[" in text:
        text = _BARE_ANSI.sub("", text)
    return Log(tuple(_cleaned(re.split(r"\r\n|\n|\r", text))))


def decode(data: bytes) -> str:
    """Bytes → text: UTF-8, or what PowerShell's `>` writes (UTF-16); undecodable bytes are replaced."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    sample = data[:4000]
    if len(sample) > 8 and sample[1::2].count(0) > len(sample) // 3:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8", "replace")


def reduce(text: str) -> str:
    """The telling parts of a large log, in their order: its ends, and a few of each kind of line with a keyword."""
    low = text.lower() if text.isascii() else text
    ranges: List[Tuple[int, int]] = [(0, HEAD), (len(text) - TAIL, len(text))]
    seen: Dict[str, int] = {}
    for word in KEYWORDS:
        position = low.find(word, HEAD)
        hits = 0
        while 0 <= position < len(text) - TAIL and hits < 20_000:
            hits += 1
            start = low.rfind("\n", max(0, position - 400), position) + 1 or max(0, position - 400)
            end = low.find("\n", position, position + 400)
            end = position + 400 if end < 0 else end
            kind = low[start : min(end, start + 160)].translate(_DIGITS)
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] <= PER_KIND and len(ranges) < 1500:
                ranges.append((max(0, start - AROUND // 3), end + AROUND))
            position = low.find(word, end + 1)
    merged: List[List[int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return "\n".join(text[start:end] for start, end in merged)


def _cleaned(raw: List[str]) -> List[str]:
    """Prefixes and boxes away; lines of one process together where a launcher marked them."""
    groups: Dict[str, List[str]] = {}
    width = max((len(_without_border(line)) for line in raw), default=0)
    goes_on = ""
    for line in raw:
        rank = _RANK.match(line) if "[" in line[:80] or " | " in line[:60] else None
        # A line that was broken at the right edge goes on in the next one, without the mark.
        name = rank.group(1) if rank else goes_on
        groups.setdefault(name, []).append(_bare(line))
        goes_on = name if WRAPPED <= width == len(_without_border(line)) else ""
    return [line for lines in groups.values() for line in lines]


def _without_border(line: str) -> str:
    return _BOX_END.sub("", line) if line and line[-1] in " \t\r│┃║╮╯╗╝─━═" else line


def _bare(line: str) -> str:
    prefix = _PREFIX.match(line)
    if prefix and prefix.end():
        line = line[prefix.end() :]
        level = _LEVEL.match(line)
        if level and any(mark.isdigit() for mark in prefix.group()):
            line = line[level.end() :]
    # only box lines end in a border; a plain line keeps its text
    return _without_border(line)


def _interpreter(prefix: str) -> str:
    if "\\" in prefix:
        return prefix + "\\Scripts\\python.exe"
    return prefix + "/bin/python"


def fill(template: str, captures: Mapping[str, str]) -> str:
    """`template` with {name} replaced; names that the log did not show become "?"."""
    return re.sub(r"\{(\w+)\}", lambda found: captures.get(found.group(1)) or "?", template)
