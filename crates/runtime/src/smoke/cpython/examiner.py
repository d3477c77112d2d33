# The examiner: runs the caller's calls and tests, and says what they came to.
BUILTINS = set(dir(builtins))
MODULES = set(sys.argv[1].split())
OUTPUT_BYTES_MAX, VALUE_BYTES_MAX, MESSAGE_BYTES_MAX, INPUTS_COUNTED_MAX, CONSTANTS_MAX = map(int, sys.argv[2].split())
MISSING = sys.argv[3:]
UNCALLED = "the tests never call what the source defines; where they define check(candidate), say which function that is"


def fields(payload):
    found, at = [], 0
    while at < len(payload):
        length = int.from_bytes(payload[at:at + 4], "big")
        found.append(payload[at + 4:at + 4 + length].decode())
        at += 4 + length
    return found


def answer(texts):
    parts = [text.encode("utf-8", "backslashreplace") for text in texts]
    write_frame(0, b"".join(len(part).to_bytes(4, "big") + part for part in parts))


def capped(text):
    return text if len(text) <= MESSAGE_BYTES_MAX else text[:MESSAGE_BYTES_MAX] + "…"


def told(error):
    text = text_of(error)
    return capped(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def line(error, name):
    found, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == name:
            found = trace.tb_lineno
        trace = trace.tb_next
    return f"line {found}: " if found else ""


def show(value):
    kind = type(value)
    if kind is list:
        return "[" + ", ".join(map(show, value)) + "]"
    if kind is tuple:
        return "(" + ", ".join(map(show, value)) + (",)" if len(value) == 1 else ")")
    if kind in (set, frozenset) and value:
        text = "{" + ", ".join(sorted(map(show, value))) + "}"
        return text if kind is set else f"frozenset({text})"
    if kind is dict:
        return "{" + ", ".join(f"{show(key)}: {show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Handle) or isinstance(value, types.FunctionType) or kind in ITERATORS:
        name = value._name if isinstance(value, Handle) else kind.__name__
        raise TypeError(f"a value of type {name}, which has no text of its own")
    return repr(value)


def space_for(link, source, imports, text, entry):
    """What the source offers under the names that a text uses. None of it changes what the text itself means."""
    space = {"__name__": "tests"}
    for statement in imports:
        if any(word in text for word in statement.replace(".", " ").split()):
            try:
                exec(statement, space)
            except ImportError:
                pass
    for name, value in link.ask("run", source)[0]:
        if name == entry or (name in text and name not in BUILTINS | MODULES):
            space[name] = link.unpack(value)
    return space


def call(link, job, text):
    try:
        space = space_for(link, job["source"], job["imports"], text, None)
        value = show(eval(compile(text.strip(), "<call>", "eval", dont_inherit=True), space))
    except (Halt, MemoryError):
        raise
    except BaseException as error:
        return "!" + told(error)
    if len(value) > VALUE_BYTES_MAX:
        raise Halt("output")
    return "=" + value


def run(job, space):
    """Runs the tests, and the `check` that they define, under the names of a space."""
    before = space.get("check")
    exec(compile(job["tests"], "<tests>", "exec", dont_inherit=True), space)
    check = space.get("check")
    if job["entry"] is not None and callable(check) and check is not before:
        if job["entry"] not in space:
            return f"!NameError: the source defines no function `{job['entry']}`"
        check(space[job["entry"]])
    return None


def test(link, job):
    link.inputs, link.results = set(), []
    try:
        space = space_for(link, job["source"], job["imports"], job["tests"], job["entry"])
        failed = run(job, dict(space))
    except (Halt, MemoryError):
        raise
    except BaseException as error:
        return "!" + capped(line(error, "<tests>") + told(error))
    if failed or not link.inputs:
        return failed or "!" + UNCALLED
    return f"+{len(link.inputs)}" + ("=" if constant(link, job, space) else "")


def constant(link, job, space):
    """Whether a function passes as well that always gives the same; also where that cannot be told."""
    for value in [*link.results, None]:
        link.constant = [value]
        try:
            failed = run(job, dict(space))
        except (Halt, MemoryError):
            return True
        except BaseException:
            failed = True
        finally:
            link.constant = None
        if not failed:
            return True
    return False


def imports_of(source):
    """Imports under their own names: a renamed one would mislead a test that relies on it."""
    try:
        tree = compile(source, "<source>", "exec", 0x400, dont_inherit=True)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in tree.body:
        kind = type(node).__name__
        if kind == "Import":
            found += [f"import {alias.name}" for alias in node.names if not alias.asname]
        elif kind == "ImportFrom" and node.module != "__future__":
            found += [f"from {node.module} import {alias.name}" for alias in node.names if not alias.asname]
    return found


def examine(link, texts):
    _, source, tests, entry, *calls = texts
    job = {"source": source, "tests": tests[1:], "entry": entry[1:] if entry else None}
    job["imports"] = imports_of(source)
    called = [call(link, job, text) for text in calls]
    return ["done", "", test(link, job) if tests else "-", *called]


def main():
    sys.stdin = None
    sys.stdout = sys.stderr = printed = Printed(OUTPUT_BYTES_MAX)
    # A long number has a text, however slow it is to write.
    getattr(sys, "set_int_max_str_digits", id)(0)
    link = Link(1, 1, printed, False)
    _, missing = link.receive()
    version = "cpython " + ".".join(map(str, sys.version_info[:3]))
    answer(["ready", version, *sorted(set(MISSING) | set(missing))])
    try:
        texts = fields(read_frame(0))
    except Halt:
        os._exit(0)
    try:
        reply = examine(link, texts)
    except Halt as halt:
        reply = [halt.kind, halt.detail]
    except MemoryError:
        reply = ["memory", ""]
    answer(reply)


main()
