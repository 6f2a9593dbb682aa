"""What a jury does wrong, on command: each fault is off until its field is set, by the command line or the control port."""
import dataclasses
import random


@dataclasses.dataclass
class Faults:
    delay: float = 0.0          # seconds before each answer: of a call, or of what one packet brought
    drop_after: int = -1        # cut the connection after this many answers of a call (HTTP) or of a connection (TCP)
    drop_lost: int = 0          # so many further flags are judged first, their answers are lost
    drop_torn: bool = False     # the cut leaves half of the next answer
    drop_times: int = 1         # how often that happens; -1: always
    disorder: bool = False      # answers of one packet in any order (FAUST, ENOWARS: their protocols allow it)
    seed: int = 1
    rate: float = -1.0          # calls per second, the rest gets 429; 0: no limit; -1: what this jury really does
    retry_after: float = -1.0   # seconds in the Retry-After of a 429; -1: no such field
    limit_as_500: bool = False  # CCIT: 500 {"code":"RATE_LIMIT"} instead of 429
    fail_status: int = 0        # the next `fail_times` calls get this status
    fail_times: int = 0
    silent: int = 0             # so many calls or connections get no answer at all
    offline: bool = False       # the game is not running

    def __post_init__(self):
        self.random = random.Random(self.seed)

    def change(self, values):
        """Sets fields by name from texts or JSON values; ValueError names an unknown one."""
        kinds = {field.name: type(field.default) for field in dataclasses.fields(self)}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"no fault named {name}; there are {', '.join(kinds)}")
            if kinds[name] is bool:
                value = str(value).lower() in ("true", "1", "yes")
            setattr(self, name, kinds[name](value))
        if "seed" in values:
            self.random = random.Random(self.seed)

    def take(self, name):
        """Whether one of a counted fault is left; takes it."""
        left = getattr(self, name)
        if left <= 0:
            return False
        setattr(self, name, left - 1)
        return True

    def cut(self, answered, coming):
        """How many of `coming` answers still go out before the connection is cut, after `answered`; None: no cut."""
        if self.drop_after < 0 or self.drop_times == 0 or answered + coming <= self.drop_after:
            return None
        self.drop_times -= self.drop_times > 0
        return max(0, self.drop_after - answered)
