"""The sender: `python3 sdk --farm URL …`, and what the server carries and starts."""
import sys

from tiltyard_farm.sender import main

sys.exit(main())
