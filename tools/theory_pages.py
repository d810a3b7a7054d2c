"""Writes into every page of docs/theory what its theories assume, from the code that measures it.

    python tools/theory_pages.py           # writes
    python tools/theory_pages.py --check   # says which pages are not up to date, and exits with 1

A page has a block for each theory, `<!-- assumptions: NAME -->` to `<!-- /assumptions -->`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THEORY, PAGES = ROOT / "src" / "linnet" / "theory", ROOT / "docs" / "theory"
BLOCK = re.compile(r"(<!-- assumptions: (\w+) -->\n).*?(<!-- /assumptions -->)", re.DOTALL)

#: What `flow_assumptions` measures, in one line.
FLOW = (
    "**gradient flow, or plain descent that follows it**: full batches, no transformation of the gradient, no weight "
    "decay, equal rates unless the theory takes them, and a learning rate of at most 0.1 over the sharpness"
)


class Source:
    """The functions, classes and constants of `linnet.theory`, by name."""

    def __init__(self) -> None:
        self.functions: dict[str, ast.FunctionDef] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.constants: dict[str, object] = {}
        for path in sorted(THEORY.glob("_*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef):
                    self.functions[node.name] = node
                elif isinstance(node, ast.ClassDef):
                    self.classes[node.name] = node
                elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                    pairs = zip(_items(node.targets[0]), _items(node.value), strict=False)
                    self.constants |= {
                        target.id: value.value
                        for target, value in pairs
                        if isinstance(target, ast.Name) and isinstance(value, ast.Constant)
                    }

    def assumptions(self, name: str) -> list[str]:
        """A line for each assumption of a theory, each once."""
        method = next(
            node for node in self.classes[name].body if isinstance(node, ast.FunctionDef) and node.name == "assumptions"
        )
        return list(dict.fromkeys(self._within(method, set())))

    def _within(self, node: ast.AST, seen: set[str]) -> Iterator[str]:
        calls = [found for found in ast.walk(node) if isinstance(found, ast.Call)]
        for call in sorted(calls, key=lambda found: (found.lineno, found.col_offset)):
            function = call.func
            called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if called == "Assumption":
                values = {word.arg: word.value for word in call.keywords}
                values |= dict(zip(("name", "value", "threshold", "statement"), call.args, strict=False))
                # What stands in a variable is defined in the same function.
                local = {
                    target.id: statement.value
                    for statement in ast.walk(node)
                    if isinstance(statement, ast.Assign)
                    for target in statement.targets
                    if isinstance(target, ast.Name)
                }
                texts = [self._text(values[key], local) for key in ("name", "threshold", "statement")]
                yield f"**{texts[0]}** (at most {texts[1]}): {texts[2]}"
            elif called == "flow_assumptions":
                yield FLOW
            elif called == "assumptions":
                yield "those of the theory of the weights that it goes along with"
            elif called in self.functions and called not in seen:
                seen.add(called)
                yield from self._within(self.functions[called], seen)

    def _text(self, node: ast.AST, local: dict[str, ast.expr]) -> str:
        if isinstance(node, ast.Constant):
            return f"{node.value:g}" if isinstance(node.value, float) else str(node.value)
        if isinstance(node, ast.Name):
            if node.id in local:
                return self._text(local[node.id], {})
            value = self.constants.get(node.id, node.id)
            return f"{value:g}" if isinstance(value, float) else str(value)
        if isinstance(node, ast.IfExp):
            return f"{self._text(node.body, local)} or {self._text(node.orelse, local)}"
        if isinstance(node, ast.FormattedValue):
            inner = node.value
            known = isinstance(inner, ast.Constant | ast.IfExp) or (isinstance(inner, ast.Name) and inner.id in local)
            return self._text(inner, local) if known else "…"
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part, local) for part in node.values)
        return ast.unparse(node)


def _items(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def page_with_blocks(text: str, source: Source) -> str:
    """A page with all its blocks written anew."""

    def write(found: re.Match) -> str:
        lines = [f"- {line}" for line in source.assumptions(found[2])]
        return found[1] + "\n" + ("\n".join(lines) or "None.") + "\n\n" + found[3]

    return BLOCK.sub(write, text)


def main(check: bool) -> int:
    """Writes all pages, or says which are old."""
    source, old = Source(), []
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = page_with_blocks(text, source)
        if new != text:
            old.append(page.name)
            if not check:
                page.write_text(new, encoding="utf-8")
    if check and old:
        print(f"Not up to date: {', '.join(old)}. Run `python tools/theory_pages.py`.")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
