"""The desktop window: its controls, menus and keys."""
