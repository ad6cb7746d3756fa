"""How wide a text is drawn, so that columns of text can be laid out before they are rendered."""

from __future__ import annotations

#: Width in thousandths of the font size -> the characters that have it, in Helvetica and in the
#: fonts made to its measure (Arial, Liberation Sans); the widths are those of its font metrics.
_WIDTHS = {
    191: "'",
    222: "ijl’‘",
    260: "|",
    278: " !,./:;[]\\fIt",
    333: "()-`r‐“”²·",
    334: "{}",
    355: '"',
    389: "*",
    395: "τ",
    469: "^",
    500: "cksvxyzJç",
    525: "χ",
    549: "±≤≥",
    584: "+<=>~−×",
    611: "FTZ",
    667: "&ABEKPSVXYÄ",
    722: "CDHNRUwÜ",
    778: "GOQÖ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "—…",
    1015: "@",
}
_OTHER = 556  # digits, most lower-case letters, and what is not listed
_BOLD = 1.07
_ROUNDING = 1e-6


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line in pixels, at a font size in pixels."""
    total = sum(_OF.get(character, _OTHER) for character in text)
    return total * size / 1000 * (_BOLD if bold else 1.0)


def shortened(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return the text, cut with an ellipsis where it is wider than `width` pixels.

    A reference in brackets at the end, such as ``[111]``, is kept.
    """
    # Columns are made as wide as their texts: a rounding error must not cut the widest.
    width += _ROUNDING
    if text_width(text, size, bold=bold) <= width:
        return text
    start, space, last = text.rpartition(" ")
    end = f" {last}" if space and last.startswith("[") and last.endswith("]") else ""
    kept = start if end else text
    room = width - text_width(f"…{end}", size, bold=bold)
    while kept and text_width(kept, size, bold=bold) > room:
        kept = kept[:-1]
    return f"{kept.rstrip(' ,;-')}…{end}"


_OF = {character: width for width, characters in _WIDTHS.items() for character in characters}
