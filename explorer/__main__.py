"""The program: `python -m explorer`, or `activation-explorer`."""

from explorer import interrupts


def entry() -> None:
    """Run the command line as a program."""
    interrupts.watch()
    try:
        from explorer.cli import entry as run
    except BaseException:  # interrupted amid an import, which says so in words of its own
        if interrupts.asked():
            interrupts.end()
        raise
    run()


if __name__ == "__main__":
    entry()
