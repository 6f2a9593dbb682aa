#!/usr/bin/env python3
"""A jury of an attack/defence game, as farms meet it: exact answers and limits, and faults on command.

    jury.py MODE [--port N] [--control N] [--journal FILE] [--token TEXT] [--fault NAME=VALUE]...

Prints `jury MODE on PORT control CONTROL` when it listens. MODE is one of the keys of JURIES; faults are in faults.py.
"""
import argparse
import asyncio

from books import Books
from faults import Faults
from http_juries import Ccit, Control, Hackerdom, HttpJury, Themis
from tcp_juries import Enowars, Faust, ForcadTcp, Saarctf

JURIES = {"forcad_http": HttpJury, "forcad_tcp": ForcadTcp, "hackerdom": Hackerdom, "faust": Faust, "enowars": Enowars, "saarctf": Saarctf,
          "ccit": Ccit, "themis": Themis}


async def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("mode", choices=JURIES)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--control", type=int, default=0)
    arguments.add_argument("--journal", help="accepted flags, one a line; read again at the start")
    arguments.add_argument("--token", default="", help="the team's token, where the protocol has one; empty: any")
    arguments.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE")
    asked = arguments.parse_args()
    books, faults = Books(asked.journal), Faults()
    faults.change(dict(fault.split("=", 1) for fault in asked.fault))
    jury, control = JURIES[asked.mode](books, faults, asked.token), Control(books, faults)
    control_port = await control.start(asked.control)
    port = await jury.start(asked.port)
    print(f"jury {asked.mode} on {port} control {control_port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
