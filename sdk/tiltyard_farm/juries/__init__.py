"""A module for each jury. Its class `Jury` takes the farm's settings (`host`, `port` or `url`, `token`, `timeout` in
seconds) and has `send(flags)`, which yields verdicts as they come and raises NotSent, Limited or Lost, and `close()`."""
from . import ccit, enowars, faust, forcad_http, forcad_tcp, hackerdom, saarctf, themis

JURIES = {"forcad_http": forcad_http.Jury, "forcad_tcp": forcad_tcp.Jury, "hackerdom": hackerdom.Jury, "faust": faust.Jury,
          "enowars": enowars.Jury, "saarctf": saarctf.Jury, "ccit": ccit.Jury, "themis": themis.Jury}
