"""Image operations as Uploadcare's URL API names them: `resize/300x/-/filter/zevcen/` in an address.

An operation is declared once: its name, the grammar of its arguments with their limits, and what it does. The declarations
stand in `geometry`, `colour`, `photo_filter`, `definition`, `content`, `encoding` and `report`, and `catalogue`
lists them all; `parsing` reads a chain of them from an address.

Whatever an operation does to pixels, it does to the image that it is given, by that image's own methods (pyvips.Image). So
the gateway reads and plans without libvips, and only the sandboxed child, which opens files, needs it.

https://uploadcare.com/docs/api/url/
"""
