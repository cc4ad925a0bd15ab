"""The walls, one by one, and systems that lack one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kernels import LANDLOCK, PRCTL, SET_SECCOMP, UNSHARE, decision

from lmworks.sandbox.confine import ALLOW, ALLOWED, KILL, REFUSE, X86_64

I386, X32, AARCH64 = 0x40000003, 0x40000000, 0xC00000B7
MMAP, MPROTECT = 9, 10
HERE = Path(__file__).parent


def run(script: str) -> str:
    """What Python prints that runs it in a process of its own."""
    script = f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{script}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_calls_of_64_bits_are_decided_by_their_number() -> None:
    allowed = {number for number in range(1_000) if decision(X86_64, number) == ALLOW}
    assert allowed == {*ALLOWED, MMAP, MPROTECT}
    assert decision(X86_64, 41) == REFUSE


@pytest.mark.parametrize("number", [*ALLOWED, MMAP, MPROTECT])
def test_calls_of_other_machines_are_never_allowed(number: int) -> None:
    assert decision(X86_64, X32 | number) == REFUSE
    assert decision(I386, number) == decision(AARCH64, number) == KILL


@pytest.mark.parametrize("number", [MMAP, MPROTECT])
def test_memory_is_never_executable(number: int) -> None:
    assert [decision(X86_64, number, (0, 0, protection)) for protection in (0, 1, 3)] == [ALLOW] * 3
    assert [decision(X86_64, number, (0, 0, protection)) for protection in (4, 5, 7, 0x1000007)] == [REFUSE] * 4


def test_landlock_alone_keeps_files_away(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    said = run(
        f"""
from lmworks.sandbox.confine import landlock_version, prepare, restrict_by_landlock
import os
os.chdir({str(tmp_path)!r})
if landlock_version():
    prepare()
    restrict_by_landlock(landlock_version())
for deed in (lambda: open('kept'), lambda: os.listdir('/'), lambda: open('new', 'w')):
    try:
        deed()
    except PermissionError:
        print('refused')
print('landlock' if landlock_version() else 'none')
"""
    )
    assert said.split() == ["refused"] * 3 + ["landlock"] or said.split() == ["none"]


def test_namespaces_alone_have_no_files_and_no_network() -> None:
    said = run(
        """
from lmworks.sandbox.confine import CannotConfine, enter_namespaces
import os, socket
try:
    enter_namespaces()
    print(os.listdir('/'), os.getpid(), [name for _, name in socket.if_nameindex()])
    open('/made', 'w')
except CannotConfine as error:
    print('refuses namespaces' in str(error))
except OSError as error:
    print(error.strerror)
"""
    )
    assert said.split("\n")[:-1] in (["[] 1 ['lo']", "Read-only file system"], ["True"])


@pytest.mark.parametrize(
    ("lacks", "reason"),
    [
        (
            f"lack({LANDLOCK}); lack({UNSHARE})",
            "the kernel has no Landlock (Linux 5.13), and refuses namespaces: unshare",
        ),
        (f"lack({PRCTL}, {SET_SECCOMP})", "the kernel refuses: prctl(PR_SET_SECCOMP): Function not implemented"),
        ("import platform; platform.system = lambda: 'Darwin'", "Darwin is not supported"),
        ("import lmworks.sandbox.run as run; run.ROOT = '/'", "ModuleNotFoundError: No module named 'lmworks'"),
    ],
)
def test_programs_are_refused_where_a_wall_cannot_be_had_and_before_any_is_run(lacks: str, reason: str) -> None:
    said = run(
        f"""
from kernels import lack
from lmworks.errors import LmworksError
from lmworks.rewards import UnitTestsReward
{lacks}
try:
    UnitTestsReward().scores([])
except LmworksError as error:
    print(error)
"""
    )
    assert f"programs cannot be run safely here: {reason}" in said and "It takes Linux on x86_64 with seccomp" in said


def test_another_machine_is_refused() -> None:
    said = run(
        """
import platform
platform.machine = lambda: 'riscv64'
from lmworks.sandbox.confine import CannotConfine, prepare
try:
    prepare()
except CannotConfine as error:
    print(error)
"""
    )
    assert said == "Linux on riscv64 is not supported: use Linux on x86_64\n"


def test_a_wall_that_the_kernel_only_says_it_built_is_found_out() -> None:
    said = run(
        """
from lmworks.sandbox import confine
confine.PROGRAM = confine.struct.pack('HBBI', confine.RETURN, 0, 0, confine.ALLOW)
confine.restrict_by_landlock = lambda version: None
from lmworks.sandbox.processes import CannotConfine, Limits, _rehearse
try:
    _rehearse(Limits(1, 1 << 33))
except CannotConfine as error:
    print(error)
"""
    )
    assert said == ("a confined process can open a file and open a socket and start a process and signal another\n")


@pytest.mark.parametrize("program", ["import time\\ntime.sleep(60)", "def f():\\n    import time\\n    time.sleep(60)"])
def test_no_process_outlives_the_one_that_asked(program: str) -> None:
    script = f"""
from lmworks.sandbox.run import Sandbox
with Sandbox(seconds=60, megabytes=64, wall_seconds=60) as sandbox:
    print(sandbox._server.pid, flush=True)
    sandbox.verdicts([('{program}', 'assert f() == 1')])
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout
        session = int(asking.stdout.readline())
        while len(members(session)) < 4:  # the server, the tests, the caller and the program
            time.sleep(0.01)
        asking.send_signal(signal.SIGKILL)
    while members(session):
        time.sleep(0.01)


def members(session: int) -> list[int]:
    """Processes of a session that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            _, _, fields = (folder / "stat").read_text().rpartition(") ")
        except OSError:
            continue
        state, _, _, of = fields.split()[:4]
        if int(of) == session and state != "Z":
            found.append(int(folder.name))
    return found


def test_the_process_that_calls_takes_no_more_than_a_message() -> None:
    from lmworks.sandbox.run import Sandbox

    tests = """
import os
assert f(1) == 1
os.write(3, (1 << 31).to_bytes(4, 'big'))
try:
    for _ in range(64):
        os.write(3, bytes(1 << 20))
except BrokenPipeError:
    pass
else:
    raise AssertionError
"""
    with Sandbox(seconds=2, megabytes=64, wall_seconds=20) as sandbox:
        (verdict,) = sandbox.verdicts([("def f(a):\n    return a", tests)])
    assert verdict.kind == "passed", verdict


def test_a_process_has_no_open_file_but_its_channel() -> None:
    from lmworks.sandbox.run import Sandbox

    program = """
import os
def opened():
    found = []
    for number in range(1_000):
        try:
            os.fstat(number)
            found.append(number)
        except OSError:
            pass
    return found
"""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    with Sandbox(seconds=2, megabytes=64, wall_seconds=20) as sandbox:
        (verdict,) = sandbox.verdicts([(program, "assert opened() == [0, 1, 2, 3]")])
    os.close(reader)
    os.close(writer)
    assert verdict.kind == "passed", verdict
