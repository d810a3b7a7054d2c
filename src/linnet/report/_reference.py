"""References as a reader wants them, out of BibTeX."""

import re
import unicodedata

_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "c": "\u0327", "v": "\u030c"}


def fields(entry: str) -> dict[str, str]:
    """The key (as "key") and the fields of a BibTeX entry, its TeX written out."""
    found = {}
    head = re.match(r"@\w+\{([^,\s]+),", entry.strip())
    if head:
        found["key"] = head[1]
    for name, braced, quoted, bare in re.findall(
        r'(\w+)\s*=\s*(?:\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}|"([^"]*)"|(\d+))', entry
    ):
        found[name.lower()] = plain(braced or quoted or bare)
    return found


def plain(text: str) -> str:
    """TeX of a bibliography as Unicode."""

    def accent(match: re.Match) -> str:
        letter = match[2].removeprefix("\\")
        return unicodedata.normalize("NFC", letter + _ACCENTS[match[1]])

    text = re.sub(r"\{?\\(['`\"^~])\s*\{?(\\[ij]|[A-Za-z])\}?\}?", accent, text)
    text = re.sub(r"\{?\\([cv])\s*\{([A-Za-z])\}\}?", accent, text)
    text = re.sub(r"\\[a-zA-Z]+\s*", "", text)
    text = text.replace("--", "–").replace("\\&", "&").replace("~", " ")
    return re.sub(r"\s+", " ", re.sub(r"[{}\\]", "", text)).strip()


def reference(entry: str) -> str:
    """One line of a reference list: authors (year). Title. Where. Note."""
    known = fields(entry)
    names = [_initials(name) for name in re.split(r"\s+and\s+", known.get("author", ""))]
    authors = ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
    where = known.get("journal") or known.get("booktitle") or ""
    numbers = known.get("volume", "") + (f"({known['number']})" if "number" in known else "")
    pages = f", {known['pages']}" if "pages" in known else ""
    where = f"{where} {numbers}".strip() + pages
    parts = [f"{authors} ({known.get('year', 'n.d.')})", known.get("title", ""), where, known.get("note", "")]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def _initials(name: str) -> str:
    """Andrew M. Saxe, in either of BibTeX's orders, as A. M. Saxe."""
    family, comma, given = name.partition(",")
    if not comma:
        given, _, family = name.rpartition(" ")
    letters = " ".join(f"{part[0]}." for part in given.split())
    return f"{letters} {family.strip()}".strip()
