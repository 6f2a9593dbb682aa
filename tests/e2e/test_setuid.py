"""Set-user-ID programs in a real machine: they work where an image holds some, and reach no further than its capabilities."""
import pytest

from conftest import server_maker
from harness.wait import until

# docs/templates.md: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE
KEPT = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 10))
# What `setcap cap_net_raw+ep /raw` does, where there is no setcap: struct vfs_cap_data, and setxattr by its number.
CAPABLE = ("cp /bin/cat /raw && perl -e 'my ($path, $name, $value) = (\"/raw\", \"security.capability\", "
           "pack(\"V5\", 0x02000001, 1 << 13, 0, 0, 0)); "
           "syscall(`uname -m` =~ /x86/ ? 188 : 5, $path, $name, $value, 20, 0) == 0 or die'")
TOML = 'ports = []\naccess = ["terminal"]\n[limits]\nmemory = "64m"\n'
HELPER = {
    "instance.toml": TOML,
    "flag.txt": "FLAG{rooted}\n",
    "Dockerfile": "FROM tiltyard/debian:12\nCOPY flag.txt /flag\n"
                  "RUN chmod 600 /flag && cp /bin/cat /readflag && chmod 4755 /readflag && echo root:opensesame | chpasswd "
                  f"&& useradd -u 1000 player && {CAPABLE}\n"
                  'USER 1000:1000\nSTOPSIGNAL SIGKILL\nCMD ["sleep", "infinity"]\n',
}
SHUT = {**HELPER, "instance.toml": "setuid = false\n" + TOML}
PLAIN = {
    "instance.toml": "disable_dynamic_flags = true\n" + TOML,
    "Dockerfile": 'FROM tiltyard/busybox:1\nUSER 65534:65534\nSTOPSIGNAL SIGKILL\nCMD ["sleep", "100000"]\n',
}


@pytest.fixture(scope="module")
def range_(docker, debian, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("setuid"))
    server = make(helper=HELPER, shut=SHUT, plain=PLAIN)
    try:
        server.start()
        for name in ("helper", "shut", "plain"):
            server.admin().wait_template(name, timeout=120)
        yield server
    finally:
        end()


def inside(docker, instance, *command):
    return docker.exec(docker.machine(instance["id"])["Id"], *command, user="1000")


def status(docker, instance, *command):
    code, text = inside(docker, instance, *command)
    assert code == 0, text
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def problems(server, name):
    return server.admin().get(f"/templates/{name}").json["problems"]


def test_R1_5_set_user_id_programs_work_within_the_machines_capabilities(range_, docker):
    one, two = range_.user("rooted-one"), range_.user("rooted-two")
    flags = set()
    for player in (one, two):
        instance = player.running("helper")
        assert inside(docker, instance, "cat", "/flag")[0] != 0, "it is root's alone"
        code, text = inside(docker, instance, "/readflag", "/flag")
        assert code == 0 and text.startswith("FLAG{rooted_"), text
        flags.add(text)
        assert inside(docker, instance, "stat", "-c", "%u %g %a", "/flag")[1].split() == ["0", "0", "600"], "as the image has it"
        mine = status(docker, instance, "/raw", "/proc/self/status")
        assert int(mine["CapEff"], 16) == int(mine["CapPrm"], 16) == 0, "it starts, without the raw sockets that it asks for"
        root = status(docker, instance, "sh", "-c", "echo opensesame | su -c 'id; cat /proc/self/status'")
        assert root["Uid"].split() == ["0"] * 4 and root["NoNewPrivs"] == "0" and root["Seccomp"] == "2"
        assert int(root["CapBnd"], 16) == int(root["CapEff"], 16) == KEPT, "what the machine's first process could have had"
        player.stop(instance["id"])
    assert len(flags) == 2


def test_R1_5_whose_image_holds_none_or_whose_template_says_so_has_no_new_privileges(range_, docker):
    player = range_.user("shut-in")
    for name in ("shut", "plain"):
        instance = player.running(name)
        assert status(docker, instance, "cat", "/proc/self/status")["NoNewPrivs"] == "1"
        player.stop(instance["id"])
    assert problems(range_, "plain") == [] and not [p for p in problems(range_, "shut") if "/readflag" in p["message"]]


def test_R1_5_an_operator_forbids_set_user_id_programs_and_the_template_says_what_that_costs(range_, docker):
    until(lambda: problems(range_, "helper"), "the image to be looked into", 60)
    raw, note = problems(range_, "helper")
    assert raw["severity"] == note["severity"] == "note" and "/raw" in raw["message"] and "NET_RAW" in raw["message"]
    assert "/readflag" in note["message"] and "setuid = false" in note["message"]
    range_.config.setdefault("templates", {})["setuid"] = "forbid"
    range_.restart()
    until(lambda: any("/readflag" in p["message"] and p["severity"] == "warning" for p in problems(range_, "helper")),
          "the warning", 60)
    player = range_.user("forbidden")
    instance = player.running("helper")
    code, text = inside(docker, instance, "/readflag", "/flag")
    assert code != 0 and "FLAG" not in text
    player.stop(instance["id"])
