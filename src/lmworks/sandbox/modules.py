"""Modules that programs and their tests can import."""

FOR_TESTS = (
    *("abc", "argparse", "array", "ast", "base64", "binascii", "bisect", "calendar", "cmath", "codecs", "collections"),
    *("collections.abc", "contextlib", "copy", "csv", "dataclasses", "datetime", "_strptime", "decimal", "difflib"),
    *("enum", "errno", "fractions", "functools", "glob", "graphlib", "hashlib", "heapq", "hmac", "html", "io"),
    *("ipaddress", "itertools", "json", "keyword", "locale", "logging", "math", "numbers", "operator", "os", "pathlib"),
    *("platform", "pprint", "queue", "random", "re", "sched", "secrets", "shlex", "shutil", "signal", "statistics"),
    *("string", "struct", "sys", "tempfile", "textwrap", "threading", "time", "tokenize", "traceback", "types"),
    *("typing", "unicodedata", "urllib.parse", "uuid", "warnings", "weakref", "xml.etree.ElementTree", "zlib"),
)
"""Modules that run no text of an answer and find no function by its name. `calls.py` refuses exceptions in tests: names
that do so (`os.system`, `typing.get_type_hints`, `operator.attrgetter` with a name that is not literal), names that
begin with an underscore, and containers of others (`sys.modules`)."""
MODULES = (
    *FOR_TESTS,
    *("builtins", "ctypes", "fcntl", "gc", "inspect", "mmap", "pickle", "resource", "select", "socket", "subprocess"),
    *("timeit", "encodings.ascii", "encodings.cp1252", "encodings.hex_codec", "encodings.idna", "encodings.latin_1"),
    *("encodings.punycode", "encodings.rot_13", "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_32"),
)
"""Modules loaded before a program begins, since it can read no file. They give it no access: the kernel confines it."""
