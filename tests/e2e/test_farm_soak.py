"""A short soak: everything is killed at random under load, and the books balance. The long one is ./bench soak."""
import pathlib
import subprocess
import sys

ALONE = "loads both cores"  # for ./test

SOAK = pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


def test_R6_3_the_books_balance_after_random_kills_of_everything():
    done = subprocess.run([sys.executable, str(SOAK), "--seconds", "30", "--rate", "2000", "--seed", "7"], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "the books balance" in done.stdout
