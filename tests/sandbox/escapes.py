"""Ways out: what a program's function does, by kind, as the body of a function that tests expect to return True.

A title is followed by what shows the deed from outside, by `secret` where the function is to return the secret, and by
`system` where some systems refuse it themselves.
"""

from __future__ import annotations

BIG = 160 << 20
SPIN = "import time\nwhile time.process_time() < 1.6:\n    pass\n"
MACHINE = """
import mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex(code))
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
assert ctypes.CFUNCTYPE(ctypes.c_int)(place)() == expected
"""

ESCAPES = {
    "terminal": """
# type into it | typed a | system
import fcntl
fcntl.ioctl(os.open('/dev/tty', os.O_RDONLY), 0x5412, b'a')

# type through an inherited file | typed b | system
import fcntl
fcntl.ioctl(0, 0x5412, b'b')

# write on it | shown
os.write(os.open('/dev/tty', os.O_WRONLY), b'@NAME@')

# write through an inherited file | shown
assert os.isatty(0)
os.write(0, b'@NAME@')

# change its size | resized
import fcntl, struct
fcntl.ioctl(os.open('/dev/tty', os.O_RDONLY), 0x5414, struct.pack('4H', 77, 77, 0, 0))
""",
    "memory": """
# read the parent's | secret
with open('/proc/@PARENT@/mem', 'rb', 0) as memory:
    memory.seek(@ADDRESS@)
    return memory.read(@LENGTH@).decode()

# read the parent's by the kernel | secret | system
into = ctypes.create_string_buffer(@LENGTH@)
here, there = (ctypes.c_size_t * 2)(ctypes.addressof(into), @LENGTH@), (ctypes.c_size_t * 2)(@ADDRESS@, @LENGTH@)
call(310, @PARENT@, here, 1, there, 1, 0)
return into.raw.decode()

# trace the parent | system
call(101, 0x4206, @PARENT@, 0, 0)

# see the map of the parent's
assert 'heap' in open('/proc/@PARENT@/maps').read()

# take an open file of the parent | secret | system
return os.pread(call(438, os.pidfd_open(@PARENT@), @OPENED@, 0), @LENGTH@, 0).decode()
""",
    "environment": """
# of the parent | secret
return open('/proc/@PARENT@/environ').read().split('LMWORKS_SECRET=')[1].split(chr(0))[0]

# its own | secret
return os.environ['LMWORKS_SECRET']

# its own by the kernel | secret
return open('/proc/self/environ').read().split('LMWORKS_SECRET=')[1].split(chr(0))[0]
""",
    "files": """
# read one | secret
return open('@FOLDER@/secret').read()

# read one behind a link | secret
return open('@FOLDER@/link').read()

# read one from the root of the process | secret
return open('/proc/self/root@FOLDER@/secret').read()

# read one from the root of the parent | secret
return open('/proc/@PARENT@/root@FOLDER@/secret').read()

# read one that the parent has open | secret
return open('/proc/@PARENT@/fd/@OPENED@').read()

# read one that is open | secret
return os.pread(@OPENED@, @LENGTH@, 0).decode()

# list a folder
assert 'secret' in os.listdir('@FOLDER@')

# look at one
assert os.stat('@FOLDER@/secret').st_size == @LENGTH@

# ask whether one is there
assert os.access('@FOLDER@/secret', os.R_OK)

# read who has an account
assert 'root' in open('/etc/passwd').read()

# write one | changed
open('@KEPT@', 'w').write('changed')

# append to one | changed
open('@KEPT@', 'a').write('changed')

# remove one | changed
os.remove('@KEPT@')

# rename one | changed
os.rename('@KEPT@', '@MADE@')

# cut one | changed
os.truncate('@KEPT@', 1)

# forbid one | changed
os.chmod('@KEPT@', 0)

# make one | made
open('@MADE@', 'w')

# make a folder | made
os.mkdir('@MADE@')

# make a link | made
os.symlink('/etc/passwd', '@MADE@')

# make a second name | made
os.link('@KEPT@', '@MADE@')

# make a pipe | made
os.mkfifo('@MADE@')
""",
    "processes": """
# fork | made
if not os.fork():
    open('@MADE@', 'w')
    os._exit(0)
os.wait()

# start a program | made
import subprocess
subprocess.run(['touch', '@MADE@'], check=True)

# start one by the shell | made
assert os.system('touch @MADE@') == 0

# spawn
os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)

# start a thread
import threading
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()

# clone
if call(56, 17, 0, 0, 0, 0) == 0:
    call(231, 0)
os.wait()
""",
    "signals": """
# kill | signal 10
os.kill(@PARENT@, 10)

# send one by a handle | signal 12
import signal
signal.pidfd_send_signal(os.pidfd_open(@PARENT@), 12)

# send one to a thread | signal 37
call(234, @PARENT@, @PARENT@, 37)

# give the parent a file that signals | signal 29
import fcntl
reader, writer = os.pipe()
fcntl.fcntl(reader, 8, @PARENT@)
fcntl.fcntl(reader, 4, 0x2000)
os.write(writer, b'1')

# limit the parent | limited
import resource
resource.prlimit(@PARENT@, resource.RLIMIT_CORE, (0, 0))

# make the parent wait | later
os.setpriority(os.PRIO_PROCESS, @PARENT@, 19)
""",
    "sockets": """
# TCP | heard
import socket
with socket.create_connection(('127.0.0.1', @TCP@)) as line:
    line.send(b'@NAME@')

# UDP | heard
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.connect(('127.0.0.1', @UDP@))
    line.send(b'@NAME@')

# UDP without a connection | heard
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'@NAME@', ('127.0.0.1', @UDP@))

# by a path | heard
import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'@NAME@', '@FOLDER@/socket')

# by an abstract name | heard
import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'@NAME@', chr(0) + '@TOKEN@')

# listen
import socket
socket.create_server(('127.0.0.1', 0)).close()

# a pair
import socket
socket.socketpair()

# of the kernel | system
import socket
socket.socket(16, 3, 0)
""",
    "disk": """
# a large file | made
with open('@MADE@', 'wb') as file:
    file.write(bytes(8 << 20))

# a reserved file | made
os.posix_fallocate(os.open('@MADE@', os.O_CREAT | os.O_RDWR), 0, 8 << 20)

# a file in memory
os.write(os.memfd_create('x'), bytes(8 << 20))

# shared memory | system
open('/dev/shm/@TOKEN@', 'w').close()
os.remove('/dev/shm/@TOKEN@')

# shared memory of System V
call(31, call(29, 0, 8 << 20, 0o1600), 0, 0)
""",
    "space": f"""
# bytes
held = bytearray({BIG})
for place in range(0, {BIG}, 4096):
    held[place] = 1

# a map
import mmap
held = mmap.mmap(-1, {BIG})
held[{BIG} - 1] = 1

# objects
held = []
while len(held) < 1_200_000:
    held.append([len(held)])
""",
    "time": f"""
# compute
{SPIN}
# compute without hearing the limit
import signal
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
{SPIN}
# compute beyond a limit of its own | system
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
{SPIN}
# sleep
import time
time.sleep(3)

# wait
import threading
threading.Event().wait(3)
""",
    "kernel": """
# io_uring | system
call(425, 4, ctypes.create_string_buffer(120))

# userfaultfd | system
call(323, 1)

# bpf | system
call(321, 0, ctypes.create_string_buffer(bytes.fromhex('02000000040000000400000001000000'), 72), 72)

# keys | system
call(248, b'user', b'x', b'y', 1, -3)

# performance counters | system
call(298, ctypes.create_string_buffer(bytes.fromhex('0100000080000000'), 128), 0, -1, -1, 0)

# namespaces | system
call(272, 0x10000000)

# personality | system
assert call(135, 0x0040000) >= 0

# inotify
call(253)

# a timer that signals
import signal
signal.setitimer(signal.ITIMER_REAL, 60)

# the host's name
assert os.uname().nodename
""",
    "machine code": f"""
# of its own
code, expected = 'b82a000000c3', 42
{MACHINE}
# with calls of 32 bits | system
code, expected = 'b814000000cd80c3', os.getpid()
{MACHINE}
# made executable later
import mmap
page = mmap.mmap(-1, 4096)
call(10, ctypes.addressof(ctypes.c_char.from_buffer(page)), 4096, 7)

# with calls of x32 | system
assert call(0x40000000 | 39) == os.getpid()
""",
}
