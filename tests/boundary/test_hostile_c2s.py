"""A hostile connection manager: what it sends, how it is refused, what is written down about it, and that nobody else notices. The tables are in rows_*.py;
each row is a test. The links are TLS: the attacker has the certificate, the key and the secret of c2s-2. All of it is tried where it dials the router (layout b),
and again where the router calls it (layout a) what could depend on that."""
import pytest

from rows_floods import FLOODS
from rows_frames import ADDRESSES, CONTROL, FRAMES
from rows_sessions import LOGIN, PAYLOADS, SESSIONS
from rows_setup import CALLED, COMING_UP
from scene import Scene, params

ATTACKS = COMING_UP + CALLED + FRAMES + ADDRESSES + SESSIONS + PAYLOADS + CONTROL + LOGIN + FLOODS


@pytest.mark.parametrize("layout, attack", params(ATTACKS))
def test_it_is_refused_written_down_and_nobody_notices(stages, layout, attack):
    scene = Scene(stages.of(layout))
    try:
        scene.run(attack)
    finally:
        scene.close()
