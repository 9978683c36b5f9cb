"""The command lines of the scripts of benches/."""

import argparse


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Its help is the script's docstring: the first paragraph above the options, the rest below."""
    head, _, tail = (doc or "").partition("\n\n")
    style = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=head, epilog=tail, formatter_class=style)
