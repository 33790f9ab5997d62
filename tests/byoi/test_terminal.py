"""Texts from elsewhere on a terminal: shown, never obeyed."""

import unicodedata

import pytest

from byoi import errors, terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
        ("\x1b]8;;https://evil\x1b\\click", r"\x1b]8;;https://evil\x1b\click"),
        ("\x1b]52;c;cm0gLXJm\x07", r"\x1b]52;c;cm0gLXJm\x07"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("ok\rFAILED", r"ok\rFAILED".replace(r"\r", r"\x0d")),
        ("a\x08\x7f\x00", r"a\x08\x7f\x00"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("Größe 100 %, 日本語, 😀\tx\n", "Größe 100 %, 日本語, 😀\tx\n"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text, shown):
    assert terminal.escape(text) == shown


def test_no_control_character_is_left():
    everything = "".join(map(chr, range(0x110000)))
    left = {
        character
        for character in terminal.escape(everything)
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF"}
        or unicodedata.bidirectional(character) in {"LRI", "RLI", "FSI", "PDI"}
    }
    assert left == {"\n", "\t"}


def test_a_line_cannot_pass_for_another():
    assert terminal.one_line("a\nbyoi: error: b\tc") == r"a\nbyoi: error: b c"
    assert terminal.message("a\nbyoi: error: b") == "a\n  byoi: error: b"
    shown = []
    terminal.showing(shown.append)("a\x1b[2J\nInService")
    assert shown == ["a\\x1b[2J\n  InService"]


def test_every_deliberate_error_is_safe_to_print():
    error = errors.InvocationError(500, "\x1b]0;owned\x07\nnext")
    assert str(error) == "the endpoint answered with status 500: \\x1b]0;owned\\x07\nnext"
    assert error.body == "\x1b]0;owned\x07\nnext"
    assert str(errors.ByoiError()) == ""
