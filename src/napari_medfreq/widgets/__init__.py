"""The docks, and what napari finds in the manifest. The only room that knows napari and Qt; it never imports torch."""
