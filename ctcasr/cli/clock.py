"""When the command began, for `transcribe --timings`: imported before all else."""

import time

STARTED = time.perf_counter()
