r"""A Python-Markdown extension: `$...$` and `$$...$$` become MathML when the page is built.

Every browser of today draws MathML itself, so that the documentation needs no JavaScript from elsewhere and can be read
without a network. It runs after `pymdownx.arithmatex`, which finds the formulas. (KaTeX would set them more finely, at
the price of a Node tool chain or of a script that is fetched by the reader.)
"""

import re
import xml.etree.ElementTree as ElementTree

from latex2mathml.converter import convert
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*(\\\(|\\\[)(.*?)(\\\)|\\\])\s*</\1>', re.DOTALL)

DOUBLE_STRUCK = {"E": "\U0001d53c", "R": "\u211d", "P": "\u2119", "C": "\u2102"}


def mathml(tex: str, display: str) -> str:
    """A formula as MathML; a ValueError names a formula that cannot be converted."""
    # latex2mathml sets \mathrm letter by letter, as it would variables.
    tex = re.sub(r"\\(mathrm|mathop)\{(\w{2,})\}", r"\\operatorname{\2}", tex)
    try:
        markup = convert(tex, display=display)
        ElementTree.fromstring(markup)
    except Exception as error:
        raise ValueError(
            f"The documentation holds a formula that latex2mathml does not know: {tex!r} ({error})."
        ) from error
    # Browsers stretch norms, set a dot as an accent only where told, and know double-struck letters as characters only.
    markup = markup.replace("<mo>&#x02016;</mo>", '<mo stretchy="false">&#x02016;</mo>')
    markup = re.sub(r"<mover>(<mi>.</mi><mo)>(&#x002D9;)", r'<mover accent="true">\1 stretchy="false">\2', markup)
    return re.sub(r'<mi mathvariant="double-struck">(\w)</mi>', lambda m: f"<mi>{DOUBLE_STRUCK[m[1]]}</mi>", markup)


class _Replace(Postprocessor):
    def run(self, text: str) -> str:
        def replace(match: re.Match) -> str:
            tex = match[3].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            return mathml(tex.strip(), "inline" if match[1] == "span" else "block")

        return FORMULA.sub(replace, text)


class MathML(Extension):
    """The extension, named `mathml` in zensical.toml."""

    def extendMarkdown(self, md) -> None:
        md.postprocessors.register(_Replace(md), "mathml", 0)


def makeExtension(**settings) -> MathML:
    return MathML(**settings)
