# Says where this interpreter is, and what it reads: one path a line, its executable first.
import importlib
import os
import sys

if sys.implementation.name != "cpython" or sys.version_info < (3, 8):
    sys.exit(1)
for name in sys.argv[1:]:
    importlib.import_module(name)
paths = [os.path.realpath(sys.executable), os.path.dirname(os.path.realpath(os.__file__))]
paths += [os.path.realpath(entry) for entry in sys.path if entry and os.path.exists(entry)]
with open("/proc/self/maps") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if len(line.split(None, 5)) > 5}
paths += [os.path.realpath(path) for path in sorted(mapped) if path.startswith("/") and os.path.exists(path)]
paths += ["/etc/ld.so.cache"]
print("\n".join(dict.fromkeys(paths)))
