"""What the interpreter does without any queue: the measure of jobs that only wait. Standard library only.

    python bare.py threads JOBS WORKERS SECONDS     time.sleep on so many threads
    python bare.py asyncio JOBS CAP SECONDS         asyncio.sleep, so many at once
    python bare.py rest                             nothing, with asyncio and logging imported, until it is killed

The first two print one JSON object: seconds (from the first start to the last end), jobs.
"""

import asyncio
import json
import sys
import threading
import time
from queue import Empty, SimpleQueue


def on_threads(jobs: int, workers: int, seconds: float) -> float:
    todo: SimpleQueue[int] = SimpleQueue()
    for number in range(jobs):
        todo.put(number)
    starts, ends = [], []

    def work() -> None:
        starts.append(time.perf_counter())
        try:
            while True:
                todo.get_nowait()
                time.sleep(seconds)
        except Empty:
            ends.append(time.perf_counter())

    pool = [threading.Thread(target=work) for _ in range(workers)]
    for each in pool:
        each.start()
    for each in pool:
        each.join()
    return max(ends) - min(starts)


async def on_loop(jobs: int, cap: int, seconds: float) -> float:
    room = asyncio.Semaphore(cap)

    async def work() -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            room.release()

    began = time.perf_counter()
    tasks = set()
    for _ in range(jobs):
        await room.acquire()
        tasks.add(asyncio.create_task(work()))
    await asyncio.gather(*tasks)
    return time.perf_counter() - began


def main() -> None:
    if sys.argv[1] == "rest":
        import logging

        logging.getLogger("rest").debug("at rest")
        time.sleep(3_600)
        return
    jobs, many, pause = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    taken = on_threads(jobs, many, pause) if sys.argv[1] == "threads" else asyncio.run(on_loop(jobs, many, pause))
    print(json.dumps({"seconds": taken, "jobs": jobs}))


if __name__ == "__main__":
    main()
