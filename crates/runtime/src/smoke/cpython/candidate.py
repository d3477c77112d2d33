# The candidate: runs emitted source, and answers calls of what it defines.
REFUSED = sys.argv[1].split()
MISSING = sys.argv[3:]
OUTPUT_BYTES_MAX = int(sys.argv[2])


def run(link, source):
    allowed = {name: value for name, value in vars(builtins).items() if name not in REFUSED}
    space = {"__name__": "candidate", "__builtins__": allowed}
    try:
        code = compile(source, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise Halt("unsyntactic", f"the source: {text_of(error)}")
    exec(code, space)
    link.settle()
    names = []
    for name, value in list(space.items()):
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        # What an import brought is imported again by the examiner.
        if callable(value) and getattr(value, "__module__", None) != "candidate":
            continue
        if callable(value) or type(value) in PLAIN:
            names.append([name, link.pack(value)])
    link.send("ok", names)


PLAIN = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset)


def main():
    sys.stdin = None
    sys.stdout = sys.stderr = printed = Printed(OUTPUT_BYTES_MAX)
    link = Link(0, 0, printed, True)
    link.send("ready", MISSING)
    while True:
        try:
            kind, *rest = link.receive()
        except Halt:
            os._exit(0)
        if kind != "run":
            link.serve(kind, rest)
            continue
        try:
            run(link, *rest)
        except Halt as halt:
            link.send("halt", halt.kind, halt.detail)
        except MemoryError:
            link.send("halt", "memory", "")
        except BaseException as error:
            link.send("raised", type(error).__name__, text_of(error))


main()
