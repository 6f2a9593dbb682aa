"""The shipped units as systemd runs them: a host of its own above this one's files, in namespaces, whose first process is systemd, with
this host's engine and network. Installed as deploy/README.md says."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from .server import ROOT, Server, binary
from .split import USER
from .wait import until

SYSTEMD = pathlib.Path("/lib/systemd/systemd")
FILES = pathlib.Path("/var/lib/tiltyard-files")
UNITS = ["tiltyard-firewall.service", "tiltyard-privileged.service", "tiltyard.service"]

# $1 a folder, $2 the program, $3 its configuration, $4 deploy/, $5 the account's number, $6 a name for control groups. Each of the host's
# control groups gets a part of that name, which is all that this systemd sees of it.
BOOT = r"""
set -e
folder=$1 program=$2 config=$3 deploy=$4 user=$5 name=$6
if [ "$7" != inside ]; then
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mkdir /sys/fs/cgroup/$name; echo $$ >/sys/fs/cgroup/$name/cgroup.procs
  else for each in /sys/fs/cgroup/*/; do
    [ -L ${each%/} ] || case $each in */cpuset/) ;; *) mkdir -p $each$name; echo $$ >$each$name/cgroup.procs ;; esac
  done; fi
  exec unshare --mount --pid --fork --cgroup --kill-child --propagation private bash -c "$BOOT" boot "$@" inside
fi
hierarchies=$(sed -n 's/^[^ ]* \([^ ]*\) cgroup \([^ ]*\) .*/\1 \2/p' /proc/self/mounts)
mount -t tmpfs -o mode=755 tmpfs $folder
mkdir $folder/upper $folder/work $folder/root
mount -t overlay overlay -o lowerdir=/,upperdir=$folder/upper,workdir=$folder/work $folder/root
cd $folder/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
touch run/docker.sock
mount --bind /run/docker.sock run/docker.sock
mount --rbind /var/lib/docker var/lib/docker
mkdir -p var/lib/tiltyard-files
mount --bind /var/lib/tiltyard-files var/lib/tiltyard-files
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  echo "$hierarchies" | while read -r place options; do
    place=${place#/sys/fs/cgroup/}
    case $options in *name=systemd*) with=none,name=systemd ;; *) with=${options##*relatime,} ;; esac
    [ $place = cpuset ] || { mkdir sys/fs/cgroup/$place; mount -t cgroup -o $with cgroup sys/fs/cgroup/$place; }
  done
fi
rm -rf etc/systemd/system etc/tiltyard usr/lib/tiltyard var/lib/tiltyard
mkdir -p etc/systemd/system/range.target.wants etc/tiltyard
sed -i /^tiltyard:/d etc/passwd etc/group
echo "tiltyard:x:$user:$user::/var/lib/tiltyard:/usr/sbin/nologin" >>etc/passwd
echo "tiltyard:x:$user:" >>etc/group
install -D $program usr/lib/tiltyard/tiltyard
install -m 0640 -g $user $config etc/tiltyard/tiltyard.toml
install -m 0644 -t etc/systemd/system $deploy/tiltyard.service $deploy/tiltyard-privileged.service $deploy/tiltyard-firewall.service $deploy/tiltyard_machines.slice
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' >etc/systemd/system/docker.service
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >etc/systemd/system/range.target
for unit in docker tiltyard-firewall tiltyard-privileged tiltyard; do ln -s ../$unit.service etc/systemd/system/range.target.wants/; done
exec env -i container=docker PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --unit=range.target --show-status=no
"""


def missing():
    """Why the units cannot be run here; empty: they can."""
    if os.geteuid() != 0:
        return "only root makes a host of its own"
    if not SYSTEMD.exists():
        return "no systemd"
    return f"{FILES} is somebody's" if FILES.exists() else ""


class UnitServer(Server):
    """`start` boots the host. The server's own folder is inside, `data` leads there."""

    def __init__(self, config=None):
        # Where the engine sees it as well, and the unit's private /tmp does not hide it.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ty-units-", dir="/var/lib"))
        folder.chmod(0o755)
        super().__init__(folder, config)
        del self.config["store"]  # as the unit has it
        self.config["templates"]["path"] = str(self.templates)
        self.cgroup = f"{self.namespace}-units"
        self.boot = None

    def spawn(self, failpoints=None):
        self.write_config()
        FILES.mkdir(mode=0o700)
        place = self.folder / "host"
        place.mkdir()
        given = [str(place), binary(), str(self.folder / "tiltyard.toml"), str(ROOT / "deploy"), str(USER), self.cgroup]
        with open(self.log_path, "ab") as log:
            self.boot = subprocess.Popen(["bash", "-c", BOOT, "boot", *given], env={**os.environ, "BOOT": BOOT}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.first = until(self._first, "systemd to be there", 30)
        self.data = pathlib.Path(f"/proc/{self.first}/root/var/lib/tiltyard")

    def _first(self):
        """systemd's number on this host."""
        assert self.boot.poll() is None, self.log_path.read_text()
        # The wrapper became unshare, whose one child is systemd once it has left its own words behind.
        children = pathlib.Path(f"/proc/{self.boot.pid}/task/{self.boot.pid}/children").read_text().split()
        for child in children:
            if pathlib.Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return int(child)
        return None

    def _ready(self):
        assert self.boot.poll() is None, self.log_path.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def inside(self, *command, of=None, **more):
        """A command in that host, or in what a unit's process sees of it."""
        return subprocess.run(["nsenter", "-t", str(of or self.first), "--mount", "--pid", "--cgroup", "--root", "--wd=/", *command],
                              capture_output=True, text=True, timeout=120, **more)

    def show(self, unit, *properties):
        """What systemd says of a unit."""
        said = self.inside("systemctl", "show", unit, *(f"--property={each}" for each in properties)).stdout
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def main(self, unit):
        """A unit's process, by its number on this host; 0: it does not run."""
        number, here = int(self.show(unit, "MainPID")["MainPID"]), os.readlink(f"/proc/{self.first}/ns/pid")
        for folder in pathlib.Path("/proc").glob("[0-9]*") if number else []:
            try:
                words = (folder / "status").read_text().split("NSpid:")[1].splitlines()[0].split()
                if int(words[-1]) == number and os.readlink(folder / "ns/pid") == here:
                    return int(folder.name)
            except OSError:  # it has ended meanwhile
                continue
        return 0

    def said(self, *units):
        return self.inside("journalctl", "--no-pager", "--output=cat", *(f"--unit={each}" for each in units or UNITS)).stdout

    def close(self):
        if self.boot is not None:
            self.boot.kill()  # and with it, as its last word, the first process of that host and all others
            self.boot.wait(30)
            for root in [pathlib.Path("/sys/fs/cgroup"), *pathlib.Path("/sys/fs/cgroup").iterdir()]:
                for folder, _, _ in os.walk(root / self.cgroup, topdown=False) if root.is_dir() else []:
                    until(lambda at=folder: self._gone(at), f"{folder} to be left", 30)
        shutil.rmtree(FILES, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _gone(folder):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True
