"""`python3 -m tiltyard_farm` and `python3 sender.pyz`: the sender."""
import sys

from tiltyard_farm.sender import main

sys.exit(main())
