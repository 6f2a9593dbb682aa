"""Packets of instances: what a capture has in it, by Wireshark's own readers, and what becomes of it."""
import os
import pathlib
import stat
import subprocess
import threading

from harness import templates
from harness.gateway import answers, endpoint, fetch
from harness.server import binary
from harness.wait import until


def fields(path, shown, *names):
    """tshark's view of the packets that `shown` lets pass: a tuple of texts for each."""
    words = [word for name in names for word in ("-e", name)]
    ran = subprocess.run(["tshark", "-n", "-r", str(path), "-Y", shown, "-T", "fields", *words], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return [tuple(line.split("\t")) for line in ran.stdout.splitlines()]


def facts(path):
    ran = subprocess.run(["capinfos", "-M", "-T", "-r", "-c", "-k", "-F", str(path)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def taken(admin, capture, folder, name="taken.pcapng"):
    answer = admin.get(f"/admin/captures/{capture['id']}/file").expect(200)
    path = pathlib.Path(folder) / name
    path.write_bytes(answer.body)
    return path


def cli(server, *words, **more):
    return subprocess.Popen([binary(), *words], env={**os.environ, "TILTYARD_URL": server.url, "TILTYARD_TOKEN": server.token}, **more)


def test_R2_7_all_networks_of_an_instance_are_in_one_file_machine_to_machine_too(server, docker, tmp_path):
    admin = server.admin()
    player = server.user("watched")
    instance = player.running("stack")
    capture = admin.post("/admin/captures", {"instance": instance["id"]}).expect(201).json
    assert (capture["state"], capture["cause"], sorted(capture["networks"])) == ("running", "staff", ["inner", "outer"])
    fetch(endpoint(instance)["url"])
    front = docker.machine(instance["id"], "front")["Id"]
    assert "hello from the stack" in docker.exec(front, "wget", "-q", "-O", "-", "http://back:9000/")[1]
    # The gateway's question, and that of one machine to another.
    until(lambda: admin.get(f"/admin/captures/{capture['id']}").expect(200).json["packets"] >= 10, "packets to be captured", 60)

    def asked():
        return fields(taken(admin, capture, tmp_path), "http.request", "tcp.dstport", "frame.interface_name")

    until(lambda: sorted(asked()) == [("8000", "outer"), ("9000", "inner")], "both questions to be in the file", 60, step=0.5)
    ended = admin.post(f"/admin/captures/{capture['id']}/stop").expect(200).json
    assert (ended["state"], ended["end_reason"], ended["lost"]) == ("ended", "staff", {"not_read": 0, "not_written": 0})
    path = taken(admin, capture, tmp_path)
    assert str(ended["packets"]) in facts(path).split("\t"), (facts(path), ended["packets"])
    said = path.read_bytes()
    for text in (instance["id"], "template stack (Stack)", "(watched)", "by admin", "lost: 0 not read in time"):
        assert text.encode() in said, text
    # For the server's account alone.
    folder = server.data / "captures" / capture["id"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    kinds = [event["kind"] for event in admin.get("/admin/events", query={"instance": instance["id"]}).expect(200).json["items"]]
    assert {"capture.started", "capture.taken", "capture.ended"} <= set(kinds)
    admin.delete(f"/admin/captures/{capture['id']}").expect(204)
    assert not folder.exists()
    admin.get(f"/admin/captures/{capture['id']}").expect(404, "capture-unknown")
    player.stop(instance["id"])


def test_R2_7_on_a_shared_network_others_are_not_heard(server, docker, tmp_path):
    admin = server.admin()
    mine, other = server.user("one"), server.user("two")
    instances = [mine.running("web"), other.running("web")]
    address = {i["id"]: next(iter(docker.machine(i["id"])["NetworkSettings"]["Networks"].values()))["IPAddress"] for i in instances}
    capture = admin.post("/admin/captures", {"instance": instances[0]["id"], "filter": "tcp or icmp"}).expect(201).json
    for instance in reversed(instances):  # the other one first: what it said would be there by now
        fetch(endpoint(instance)["url"])
    until(lambda: fields(taken(admin, capture, tmp_path), "http.request", "ip.dst") == [(address[instances[0]["id"]],)], "its own question alone", 60, step=0.5)
    path = taken(admin, capture, tmp_path)
    assert fields(path, f"ip.addr == {address[instances[1]['id']]}", "frame.number") == []
    # It ends with its instance, and stays.
    mine.stop(instances[0]["id"])
    ended = admin.get(f"/admin/captures/{capture['id']}").expect(200).json
    assert (ended["state"], ended["end_reason"]) == ("ended", "instance-ended")
    assert fields(taken(admin, capture, tmp_path), "http.request", "ip.dst")
    other.stop(instances[1]["id"])


def test_R2_7_who_may_and_what_is_refused_in_words(server):
    admin = server.admin()
    player = server.user("curious")
    instance = player.running("web")
    for call in (lambda: player.get("/admin/captures"), lambda: player.post("/admin/captures", {"instance": instance["id"]}),
                 lambda: player.get("/admin/captures/x/file"), lambda: player.delete("/admin/captures/x")):
        call().expect(403, "forbidden")
    wrong = admin.post("/admin/captures", {"instance": instance["id"], "filter": "tcp prot 80"}).expect(400, "filter-refused").json
    assert "syntax error" in wrong["detail"] and "tcpdump" in wrong["detail"]
    admin.post("/admin/captures", {"instance": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}).expect(404, "instance-unknown")
    admin.post("/admin/captures", {"instance": instance["id"], "most_bytes": 5}).expect(400, "invalid-body")
    capture = admin.post("/admin/captures", {"instance": instance["id"], "for_s": 1}).expect(201).json
    # A page of one's own says nothing where the configuration does not want it.
    assert player.get("/me/captures").expect(200).json["items"] == []
    until(lambda: admin.get(f"/admin/captures/{capture['id']}").expect(200).json["end_reason"] == "time", "it to end by itself", 60, step=0.3)
    admin.get(f"/admin/captures/{capture['id']}/file", query={"follow": 1}).expect(409, "capture-ended")
    player.stop(instance["id"])


def test_R2_7_no_more_run_than_may_though_all_begin_at_once(make_server):
    server = make_server(web=templates.WEB, config={"captures": {"at_once": 2}}).start()
    admin = server.admin()
    admin.wait_template("web")
    instance = admin.running("web")
    answers_of = []
    asking = [threading.Thread(target=lambda: answers_of.append(admin.post("/admin/captures", {"instance": instance["id"]}))) for _ in range(8)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert sorted(one.status for one in answers_of) == [201] * 2 + [507] * 6, [one.json for one in answers_of]
    begun = [one.json["id"] for one in answers_of if one.status == 201]
    admin.delete(f"/admin/captures/{begun[0]}").expect(204)
    admin.post("/admin/captures", {"instance": instance["id"]}).expect(201)
    admin.stop(instance["id"])


def test_R2_7_live_on_standard_output_for_wireshark_and_over_when_it_goes(server, tmp_path):
    admin = server.admin()
    player = server.user("live")
    instance = player.running("web")
    looking = cli(server, "capture", instance["id"], "-w", "-", "-f", "tcp port 8000", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    reading = subprocess.Popen(["tshark", "-n", "-l", "-r", "-", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri"], stdin=looking.stdout,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    looking.stdout.close()
    lines = []
    thread = threading.Thread(target=lambda: lines.extend(iter(reading.stdout.readline, "")), daemon=True)
    thread.start()
    try:
        until(lambda: admin.get("/admin/captures", query={"instance": instance["id"]}).expect(200).json["items"], "the capture to run", 60)
        fetch(endpoint(instance)["url"], "/seen-live")
        until(lambda: "/seen-live\n" in lines, "the question to be seen while it is captured", 60)
        running = admin.get("/admin/captures", query={"instance": instance["id"]}).expect(200).json["items"][0]
        assert running["state"] == "running"
        looking.terminate()  # no SIGINT: what a shell starts in its background ignores that
        looking.wait(60)
        until(lambda: admin.get(f"/admin/captures/{running['id']}").expect(200).json["end_reason"] == "left", "it to end with who looked on", 60)
    finally:
        for process in (looking, reading):
            process.kill()
            process.wait()
    player.stop(instance["id"])


def test_R2_7_a_killed_server_goes_on_capturing_and_says_what_it_missed(make_server, docker, tmp_path):
    server = make_server(web=templates.WEB).start()
    admin = server.admin()
    admin.wait_template("web")
    instance = admin.running("web")
    capture = admin.post("/admin/captures", {"instance": instance["id"]}).expect(201).json
    url = endpoint(instance)["url"]
    fetch(url, "/before")
    until(lambda: "before" in str(fields(taken(admin, capture, tmp_path), "http.request", "http.request.uri")), "the first question", 60, step=0.5)
    server.kill9()
    # A write that the end came upon.
    part = sorted((server.data / "captures" / capture["id"]).glob("*.blocks"))[-1]
    with open(part, "ab") as file:
        file.write(b"\x06\0\0\0\x80\0\0\0torn")
    server.restart()
    admin = server.admin()
    until(lambda: admin.get(f"/admin/captures/{capture['id']}").expect(200).json["state"] == "running", "it to go on", 60)
    until(lambda: answers(url), "the machine to answer again", 60)
    fetch(url, "/after")
    until(lambda: {"/before", "/after"} <= {uri for (uri,) in fields(taken(admin, capture, tmp_path), "http.request", "http.request.uri")},
          "both questions", 60, step=0.5)
    shown = admin.get(f"/admin/captures/{capture['id']}").expect(200).json
    assert len(shown["gaps"]) == 1 and shown["lost"] == {"not_read": 0, "not_written": 0}
    ended = admin.post(f"/admin/captures/{capture['id']}/stop").expect(200).json
    path = taken(admin, capture, tmp_path)
    assert b"the server was away" in path.read_bytes()
    facts(path)
    admin.stop(instance["id"])


def test_R2_7_a_template_has_every_instance_captured_from_its_start(make_server, tmp_path):
    asks = {**templates.WEB, "instance.toml": templates.WEB["instance.toml"] + '[capture]\nfilter = "tcp"\nkeep = "8m"\n'}
    wrong = {**templates.WEB, "instance.toml": templates.WEB["instance.toml"] + '[capture]\nfilter = "tcp prot 80"\n'}
    server = make_server(config={"captures": {"tell_owner": True, "at_once": 1}}, asks=asks, wrong=wrong).start()
    admin = server.admin()
    admin.wait_template("asks")
    assert "syntax error" in admin.wait_template("wrong", "broken")["reason"]
    player = server.user("told")
    instance = player.running("asks")
    fetch(endpoint(instance)["url"], "/first")
    (capture,) = admin.get("/admin/captures", query={"instance": instance["id"]}).expect(200).json["items"]
    assert (capture["state"], capture["cause"], capture["filter"], capture["most_bytes"], capture["started_by"]) == ("running", "template", "tcp", 8 << 20, None)
    until(lambda: ("/first",) in fields(taken(admin, capture, tmp_path), "http.request", "http.request.uri"), "the first question", 60, step=0.5)
    assert [one["instance"] for one in player.get("/me/captures").expect(200).json["items"]] == [instance["id"]]
    # What cannot begin keeps nobody waiting, and staff hear of it.
    late = server.user("late")
    other = late.running("asks")
    assert admin.get("/admin/captures", query={"instance": other["id"]}).expect(200).json["items"] == []
    failed = admin.get("/admin/events", query={"kind": "capture.failed"}).expect(200).json["items"]
    assert [event["subject"] for event in failed] == [other["id"]] and "captures.at_once" in failed[0]["detail"]["why"]
    late.stop(other["id"])
    player.stop(instance["id"])
    assert admin.get(f"/admin/captures/{capture['id']}").expect(200).json["end_reason"] == "instance-ended"
