"""What the two processes say to each other arrives as it was said."""

from __future__ import annotations

from multiprocessing import Pipe

import pytest

from napari_medfreq.jobs import wire


@pytest.mark.parametrize(
    "message",
    [
        wire.Run(1, b"request"),
        wire.Cancel(2),
        wire.Happened(3, b"event"),
        wire.Done(4, b""),
        wire.Failed(5, "InputError", "scan.nii: 5 channels", "Traceback"),
    ],
)
def test_messages_cross_a_connection(message: wire.FromChild | wire.Run | wire.Cancel) -> None:
    here, there = Pipe()
    with here, there:
        here.send(message)
        assert there.recv() == message


def test_each_setting_has_its_own_variable() -> None:
    assert len({wire.ADDRESS, wire.KEY, wire.FOLDER, wire.HANDLERS}) == 4
