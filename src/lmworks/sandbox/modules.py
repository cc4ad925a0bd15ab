"""Modules that programs and their tests can import."""

MODULES = (
    *("abc", "argparse", "array", "ast", "base64", "binascii", "bisect", "builtins", "calendar", "cmath", "codecs"),
    *("collections", "collections.abc", "contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime", "_strptime"),
    *("decimal", "difflib", "enum", "errno", "fcntl", "fractions", "functools", "gc", "glob", "graphlib", "hashlib"),
    *("heapq", "hmac", "html", "inspect", "io", "ipaddress", "itertools", "json", "keyword", "locale", "logging"),
    *("math", "mmap", "numbers", "operator", "os", "pathlib", "pickle", "platform", "pprint", "queue", "random", "re"),
    *("resource", "sched", "secrets", "select", "shlex", "shutil", "signal", "socket", "statistics", "string"),
    *("struct", "subprocess", "sys", "tempfile", "textwrap", "threading", "time", "timeit", "tokenize", "traceback"),
    *("types", "typing", "unicodedata", "urllib.parse", "uuid", "warnings", "weakref", "xml.etree.ElementTree", "zlib"),
    *("encodings.ascii", "encodings.cp1252", "encodings.hex_codec", "encodings.idna", "encodings.latin_1"),
    *("encodings.punycode", "encodings.rot_13", "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_32"),
)
"""Loaded before a program begins, since it can read no file. That it has them opens nothing: the kernel holds it."""
