# What both processes of a CPython examination share: frames, plain data, and calls across.
#
# The examiner runs the caller's calls and tests, the candidate the emitted source. Only plain data and handles pass
# between them, so nothing that emitted code does to its own process reaches the tests.
import os
import sys

sys.path = [entry for entry in sys.path if entry]

# The package around `_json` takes longer to import than most jobs to run.
import _json
import builtins
import collections
import types

FRAME_BYTES_MAX = 16 << 20
ITEMS_MAX = 100_000
# Only the examiner counts.
INPUTS_COUNTED_MAX = CONSTANTS_MAX = 0


class Halt(BaseException):
    """Ends the examination: no code that is examined may catch it."""

    def __init__(self, kind, detail=""):
        self.kind, self.detail = kind, detail


def read_exactly(fd, count):
    parts = []
    while count:
        part = os.read(fd, min(count, 1 << 20))
        if not part:
            raise Halt("crashed")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_frame(fd):
    length = int.from_bytes(read_exactly(fd, 4), "big")
    if length > FRAME_BYTES_MAX + (4 << 20):
        raise Halt("crashed")
    return read_exactly(fd, length)


def write_frame(fd, payload):
    data = len(payload).to_bytes(4, "big") + payload
    while data:
        data = data[os.write(fd, data):]


class Strict:
    """What a message may hold; numbers are few and small."""

    strict, memo = True, {}
    object_hook = object_pairs_hook = None
    parse_float = parse_int = parse_constant = int


scan = _json.make_scanner(Strict)


def parse(text):
    try:
        return scan(text, 0)[0]
    except (StopIteration, ValueError, RecursionError):
        raise Halt("crashed") from None


def written(value):
    kind = type(value)
    if kind is str:
        return _json.encode_basestring_ascii(value)
    if kind in (list, tuple):
        return "[" + ",".join(map(written, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value] if kind is not int else str(value)


class Printed:
    """Counts what is printed, and keeps none of it."""

    def __init__(self, most):
        self.left = most

    def write(self, text):
        self.left -= len(text)
        if self.left < 0:
            raise Halt("output")
        return len(text)

    def flush(self):
        pass


class Link:
    """Calls between the two processes, either way, one inside the other."""

    def __init__(self, reads, writes, printed, opaque):
        self.reads, self.writes, self.printed = reads, writes, printed
        # Whether objects that are not plain may be handed out for the other side to ask.
        self.opaque = opaque
        self.shown = []
        self.inputs, self.results, self.constant = set(), [], None

    def send(self, *message):
        text = written(message).encode()
        if len(text) > FRAME_BYTES_MAX:
            raise Halt("output")
        write_frame(self.writes, text)

    def receive(self):
        return parse(read_frame(self.reads).decode())

    def ask(self, *message):
        """Sends a request and serves the other side until its answer comes."""
        self.send(*message)
        while True:
            kind, *rest = self.receive()
            if kind == "ok":
                return rest
            if kind == "raised":
                raise raised(*rest)
            if kind == "halt":
                raise Halt(*rest)
            self.serve(kind, rest)

    def serve(self, kind, rest):
        try:
            if kind == "call":
                target, args, kwargs = rest
                args = [self.unpack(arg) for arg in args]
                kwargs = {name: self.unpack(arg) for name, arg in kwargs}
                value = self.shown[target](*args, **kwargs)
                self.settle()
                self.send("ok", self.pack(value), [self.after(arg) for arg in args])
            elif kind == "attribute":
                target, name = rest
                if name.startswith("_"):
                    raise AttributeError(name)
                self.send("ok", self.pack(getattr(self.shown[target], name)))
            else:
                raise Halt("crashed")
        except Halt as halt:
            self.send("halt", halt.kind, halt.detail)
        except MemoryError:
            self.send("halt", "memory", "")
        except BaseException as error:
            self.send("raised", type(error).__name__, text_of(error))

    def settle(self):
        """Code may catch what it is told when it prints too much."""
        if self.printed.left < 0:
            raise Halt("output")

    def after(self, arg):
        return self.pack(arg) if type(arg) in (list, dict, set, bytearray) else None

    def proxy(self, target):
        def call(*args, **kwargs):
            if self.constant is not None:
                return self.unpack(self.constant[0])
            sent = [self.pack(arg) for arg in args]
            named = [[name, self.pack(arg)] for name, arg in kwargs.items()]
            if len(self.inputs) < INPUTS_COUNTED_MAX:
                self.inputs.add(written([target, sent, named]))
            value, after = self.ask("call", target, sent, named)
            if len(self.results) < CONSTANTS_MAX and value not in self.results:
                self.results.append(value)
            for arg, before, now in zip(args, sent, after):
                if now is not None and now != before:
                    overwrite(arg, self.unpack(now))
            return self.unpack(value)

        return call

    def handle(self, target, name):
        return Handle(self, target, name)

    def show(self, value):
        self.shown.append(value)
        return len(self.shown) - 1

    def pack(self, value):
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return ["s", value]
        if kind is int:
            return ["i", format(value, "x")]
        if kind is float:
            return ["f", value.hex()]
        if kind is complex:
            return ["c", value.real.hex(), value.imag.hex()]
        if kind in (bytes, bytearray):
            return [kind.__name__, value.hex()]
        if kind in (list, tuple, set, frozenset, collections.deque):
            return [kind.__name__, [self.pack(item) for item in value]]
        if kind in (dict, collections.OrderedDict, collections.Counter):
            return [kind.__name__, [[self.pack(key), self.pack(item)] for key, item in value.items()]]
        if kind is collections.defaultdict:
            return ["dict", [[self.pack(key), self.pack(item)] for key, item in value.items()]]
        if kind in numbers():
            return [kind.__name__, str(value)]
        if kind is range:
            return ["range", value.start, value.stop, value.step]
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return ["named", kind.__name__, list(kind._fields), [self.pack(item) for item in value]]
        if kind in ITERATORS:
            items = []
            for item in value:
                if len(items) == ITEMS_MAX:
                    raise Halt("output")
                items.append(self.pack(item))
            return ["iterator", items]
        if kind is Handle:
            return ["back", value._target]
        if callable(value):
            return ["call", self.show(value)]
        if self.opaque:
            return ["object", self.show(value), kind.__name__]
        raise TypeError(f"a value of type {kind.__name__} cannot be passed to the function under test")

    def unpack(self, value):
        if value is None or value is True or value is False:
            return value
        kind, first, *rest = value
        if kind == "s":
            return first
        if kind == "i":
            return int(first, 16)
        if kind == "f":
            return float.fromhex(first)
        if kind == "c":
            return complex(float.fromhex(first), float.fromhex(rest[0]))
        if kind in ("bytes", "bytearray"):
            return getattr(builtins, kind).fromhex(first)
        if kind in SEQUENCES:
            return SEQUENCES[kind](self.unpack(item) for item in first)
        if kind in MAPPINGS:
            return MAPPINGS[kind]({self.unpack(key): self.unpack(item) for key, item in first})
        if kind in ("Decimal", "Fraction"):
            module = __import__("decimal" if kind == "Decimal" else "fractions")
            return getattr(module, kind)(first)
        if kind == "range":
            return range(first, *rest)
        if kind == "named":
            return collections.namedtuple(first, rest[0])(*[self.unpack(item) for item in rest[1]])
        if kind == "iterator":
            return iter([self.unpack(item) for item in first])
        if kind == "call":
            return self.proxy(first)
        if kind == "back":
            return self.shown[first]
        if kind == "object":
            return self.handle(first, rest[0])
        raise Halt("crashed")


class Handle:
    """An object that lives in the other process. It equals only itself."""

    __slots__ = ("_link", "_target", "_name")

    def __init__(self, link, target, name):
        self._link, self._target, self._name = link, target, name

    def __getattr__(self, name):
        (value,) = self._link.ask("attribute", self._target, name)
        return self._link.unpack(value)

    def __repr__(self):
        return f"<{self._name} in the other process>"


SEQUENCES = {kind.__name__: kind for kind in (list, tuple, set, frozenset, collections.deque)}
MAPPINGS = {kind.__name__: kind for kind in (dict, collections.OrderedDict, collections.Counter)}
ITERATORS = {
    types.GeneratorType, map, filter, zip, enumerate, reversed,
    type(iter([])), type(iter(())), type(iter("")), type(iter({})), type(iter(set())), type(iter(range(0))),
    type({}.keys()), type({}.values()), type({}.items()), type(reversed([])),
}


def numbers():
    """The number types of modules that somebody has imported."""
    found = [("decimal", "Decimal"), ("fractions", "Fraction")]
    return [getattr(sys.modules[module], name) for module, name in found if module in sys.modules]


def overwrite(old, new):
    if isinstance(old, (list, bytearray)):
        old[:] = new
    else:
        old.clear()
        old.update(new)


def text_of(error):
    try:
        return str(error)[:2000]
    except BaseException:
        return ""


def raised(name, text):
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        kind = type(name, (Exception,), {})
    try:
        return kind(text)
    except TypeError:
        return type(name, (kind,), {"__init__": lambda self: None, "__str__": lambda self: text})()
