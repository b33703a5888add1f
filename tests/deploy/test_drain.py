"""How a web process ends, seen from a balancer's side of its connections."""

import http.client
import signal
import threading
import time

from tests.api.processes import free_port
from tests.deploy.balanced import Child


def test_a_process_that_is_to_end_says_so_and_still_answers_for_a_second(database_url: str) -> None:
    child = Child(database_url, "web", free_port())
    child.begin()
    kept, watching = (http.client.HTTPConnection("127.0.0.1", child.port, timeout=10) for _ in range(2))
    for connection in (kept, watching):
        assert ask(connection, "/livez") == (200, None)
    ended: list[int] = []
    ending = threading.Thread(target=lambda: ended.append(child.end(signal.SIGTERM)))
    ending.start()
    while (seen := ask(watching, "/readyz"))[0] == 200:
        time.sleep(0.01)
    # The balancer that knows it now sends nothing new; what it has sent already is answered, on a connection for once.
    assert seen == (503, "close")
    assert ask(kept, "/livez") == (200, "close")
    late = http.client.HTTPConnection("127.0.0.1", child.port, timeout=10)
    assert ask(late, "/livez") == (200, "close")
    ending.join(20)
    assert ended == [0]


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["connection"]
