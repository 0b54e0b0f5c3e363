"""What the benches share: a process's CPU and memory, machine and table, and both doors of a server."""
import os
import pathlib
import platform
import re
import socket
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests/peers")]
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process, all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid, field="VmRSS"):
    """Resident megabytes now (VmRSS) or at their peak (VmHWM)."""
    return int(re.search(rf"{field}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def machine():
    """One line that says where the figures come from."""
    try:
        model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        model = platform.machine()
    return f"{os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}"


def ask_api_versions(port):
    """One ApiVersions v0 request; true when it is answered without an error."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(struct.pack(">ihhih5s", 15, 18, 0, 7, 5, b"bench"))
        size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
        answer = s.recv(size, socket.MSG_WAITALL)
        return struct.unpack(">ih", answer[:6]) == (7, 0)


def table(title, columns, rows):
    """Prints rows of (name, value, value...) under their columns."""
    cells = [["", *columns], *[[str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    print(f"\n{title}\n{machine()}\n")
    for row in cells:
        print("  " + row[0].ljust(widths[0]) + "".join("  " + c.rjust(w) for c, w in zip(row[1:], widths[1:])))
    print(flush=True)
