"""What each jury says, from the juries' own sources; the words of a judgement are those of books.py."""

FORCAD = {
    "accepted": "Flag accepted! Earned 12.5 flag points!", "duplicate": "Flag already stolen", "own": "Flag is your own",
    "old": "Flag is too old", "invalid": "Flag is invalid or too old.", "nop": "Flag is invalid or too old.",
    "down": "Cannot submit flags while service is down", "later": "Cannot submit flags while service is down",
    "error": "Game is not available.", "offline": "Game is not available.",
}

HACKERDOM = {
    "accepted": "Accepted. 7 flag points", "duplicate": "Denied: you already submitted this flag", "own": "Denied: invalid or own flag",
    "old": "Denied: flag is too old", "invalid": "Denied: invalid or own flag", "nop": "Denied: invalid or own flag",
    "down": "Denied: service inactive", "later": "Denied: no such flag", "error": "Please try again later", "offline": "Please try again later",
}

# (status, text)
CCIT = {
    "accepted": ("ACCEPTED", "flag claimed"), "duplicate": ("DENIED", "flag already claimed"), "own": ("DENIED", "flag is your own"),
    "old": ("DENIED", "flag too old"), "invalid": ("DENIED", "invalid flag"), "nop": ("DENIED", "flag from nop team"),
    "down": ("DENIED", "the check which dispatched this flag didn't terminate successfully"),
    "later": ("RESUBMIT", "the flag is not active yet, wait for next round"),
    "error": ("ERROR", "notify the organizers and retry later"), "offline": ("ERROR", "notify the organizers and retry later"),
}

THEMIS = {"accepted": 0, "duplicate": 10, "own": 9, "old": 8, "invalid": 11, "nop": 11, "down": 12, "later": 12, "error": 7, "offline": 12}

FAUST = {"accepted": "OK", "duplicate": "DUP", "own": "OWN", "old": "OLD", "invalid": "INV", "nop": "INV", "down": "ERR", "later": "ERR",
         "error": "ERR", "offline": "ERR"}

ENOWARS = {**FAUST, "down": "INV", "later": "INV", "error": "INV", "offline": "INV"}

SAARCTF = {
    "accepted": "[OK]", "duplicate": "[ERR] Already submitted", "own": "[ERR] This is your own flag", "old": "[ERR] Expired",
    "invalid": "[ERR] Invalid flag (1)", "nop": "[ERR] Can't submit flag from NOP team", "down": "[ERR] Internal error (database)",
    "later": "[ERR] Internal error (database)", "error": "[ERR] Invalid source IP", "offline": "[OFFLINE] CTF not running",
}
