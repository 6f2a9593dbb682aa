"""The transport under Socket.IO; its own tests talk over it."""
import json

COVERS = {"openRealtime", "pushRealtime", "putRealtime", "askRealtime"}


def walk(site):
    caller = site.nobody()
    asked = {"EIO": "4", "transport": "polling"}
    session = json.loads(caller.get("/socket.io/", query=asked).expect(200).text[1:])["sid"]
    caller.call("POST", "/socket.io/", raw=b"40", query={**asked, "sid": session}).expect(200)
    caller.call("POST", "/socket.io/", raw=b"1", query={**asked, "sid": session}).expect(200)
    caller.get("/socket.io/", query={**asked, "sid": session}).expect(200)  # a poll that the close has overtaken, once
    caller.get("/socket.io/", query={**asked, "sid": session}).expect(400)
    caller.put("/socket.io/", query=asked).expect(400)
    caller.call("OPTIONS", "/socket.io/").expect(204)
    caller.get("/socket.io/", query=asked, headers={"Origin": "https://elsewhere.example"}).expect(403)
