"""A scene as a file: pictures, pages, films, points, selections."""
