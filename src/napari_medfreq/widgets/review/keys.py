"""The keys of a review: bound while the dock is open, then given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QFormLayout, QKeySequenceEdit, QWidget

from napari_medfreq.widgets.review.habits import DEFAULT_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.viewer import Viewer

TITLES = {"next": "Next", "previous": "Previous", "accept": "Accept", "flag": "Flag"}


class Keys:
    """Binds keys of the viewer to actions.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose keys.
    actions : mapping
        What to call, by the name of the action.
    """

    def __init__(self, viewer: Viewer, actions: Mapping[str, Callable[[], None]]) -> None:
        self._viewer = viewer
        self._actions = actions
        self._bound: dict[str, Any] = {}

    def bind(self, keys: Mapping[str, str]) -> list[str]:
        """Bind `keys`, as Qt writes them, by action, in place of those before; return those that cannot be bound."""
        self.release()
        refused = []
        for action, key in keys.items():
            if not key:
                continue
            call = self._actions[action]
            try:
                before = self._viewer.bind_key(key, lambda _viewer, call=call: call(), overwrite=True)
            except (ValueError, TypeError):
                refused.append(key)
                continue
            self._bound.setdefault(key, before)
        return refused

    def release(self) -> None:
        """Give all keys back to whoever had them before."""
        for key, before in self._bound.items():
            self._viewer.bind_key(key, before, overwrite=True)
        self._bound.clear()


class KeysForm(QWidget):
    """Shows the keys and lets the user change them.

    Parameters
    ----------
    keys : mapping
        The keys as Qt writes them, by action.
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    changed : Signal
        Another key was chosen; see `keys`.
    """

    changed = Signal()

    def __init__(self, keys: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        rows = QFormLayout(self)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.edits: dict[str, QKeySequenceEdit] = {}
        for action in DEFAULT_KEYS:
            edit = QKeySequenceEdit(QKeySequence(keys.get(action, "")))
            edit.setToolTip("Click, then press the key; Backspace removes it. It works while the image has the focus.")
            edit.editingFinished.connect(self._on_edit)
            self.edits[action] = edit
            rows.addRow(TITLES[action], edit)

    @property
    def keys(self) -> dict[str, str]:
        """The keys as Qt writes them, by action; a second use of a key counts for nothing."""
        chosen: dict[str, str] = {}
        for action, edit in self.edits.items():
            first = edit.keySequence().toString(QKeySequence.SequenceFormat.PortableText).split(", ")[0]
            chosen[action] = "" if first in chosen.values() else first
        return chosen

    def _on_edit(self) -> None:
        for action, key in self.keys.items():
            if self.edits[action].keySequence().toString() != QKeySequence(key).toString():
                self.edits[action].setKeySequence(QKeySequence(key))
        self.changed.emit()
