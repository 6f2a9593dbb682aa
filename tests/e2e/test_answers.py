"""Answers of machines that are not as the specifications ask, as challenges have them: whoever browses gets them all the same."""
from harness import gateway

SCRIPT = r"""#!/bin/sh
CR=$(printf '\r'); read first
asked=outside
while read line; do
  line=${line%$CR}; [ -z "$line" ] && break
  case $line in X-Forwarded-For:*10.13.37.1*) asked=inside ;; Host:*) host=${line#Host: } ;; X-Forwarded-Host:*) known=${line#*: } ;; esac
done
say() { printf "$1"; exit; }
case $first in
  *"/echo "*) say 'HTTP/1.0 200 OK\r\nServer: s\r\nContent-Type: text/plain\nX-By: echo\n\nok\n' ;;
  *"/blank "*) say 'HTTP/1.1 200 OK\r\nX-Frame-Options : DENY\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n' ;;
  "HEAD /both "*) say 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' ;;
  *"/both "*) say 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nok\n\r\n0\r\n\r\n' ;;
  *"/identity "*) say 'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nok\n' ;;
  *"/ten "*) say 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n' ;;
  *"/host "*) said="$host $known"; say "HTTP/1.1 302 Found\r\nLocation: http://odd.internal/there\r\nContent-Length: ${#said}\r\nConnection: close\r\n\r\n$said" ;;
  *"/folded "*) say 'HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\nno field\r\nTransfer-Encoding: chunked\r\n\r\n3  \r\nok\n\r\n0\r\n' ;;
  *"/999 "*) say 'HTTP/1.1 999 Request denied\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n' ;;
  *) say "HTTP/1.1 200 OK\r\nContent-Length: ${#asked}\r\nConnection: close\r\n\r\n$asked" ;;
esac
"""
ODD = {
    "instance.toml": 'name = "Odd"\nexpected_boot = 1\n[[endpoint]]\nport = 8000\nhost = "odd.internal"\n[ready]\ninterval = 50\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY answer /answer\nSTOPSIGNAL SIGKILL\nCMD ["nc", "-ll", "-p", "8000", "-e", "/bin/sh", "/answer"]\n',
    "answer": SCRIPT,
}


def test_R2_1_answers_that_a_browser_reads_pass_the_gateway(make_server):
    server = make_server(odd=ODD).start()
    admin = server.admin()
    admin.wait_template("odd")
    url = gateway.endpoint(admin.running("odd"))["url"]

    status, headers, body = gateway.fetch(url, "/echo")
    assert (status, headers["x-by"], headers["content-type"], body) == (200, "echo", "text/plain", b"ok\n")
    status, headers, body = gateway.fetch(url, "/blank")
    assert (status, headers["x-frame-options"], body) == (200, "DENY", b"ok\n")
    for path in ("/both", "/identity", "/ten"):
        status, headers, body = gateway.fetch(url, path)
        assert (status, body) == (200, b"ok\n") and "content-length" not in headers, path
    status, headers, body = gateway.fetch(url, "/both", "HEAD")
    assert (status, body) == (200, b"") and not {"content-length", "transfer-encoding"} & headers.keys()
    assert gateway.fetch(url, "/999")[::2] == (999, b"ok\n")
    status, headers, body = gateway.fetch(url, "/folded")
    assert (status, headers["x-long"].split(), body) == (200, ["one", "two"], b"ok\n")
    # Its program is called what the template says, and told what the player knows it by.
    status, headers, body = gateway.fetch(url, "/host")
    assert (status, headers["location"], body.split()[0]) == (302, "/there", b"odd.internal") and body.split()[1].decode() in url
    # What a player claims of the way is the machine's to believe or not.
    assert gateway.fetch(url, "/")[2] == b"outside"
    assert gateway.fetch(url, "/", headers={"X-Forwarded-For": "10.13.37.1"})[2] == b"inside"
