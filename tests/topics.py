"""Writes the parts of the READMEs that are made from the folder: the topics with their counts."""

from pathlib import Path

from tutor.cards import Language, load_shelf
from tutor.resources import resource

ROOT = Path(__file__).parent.parent
FILES: dict[Language, Path] = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}
HEADS: dict[Language, str] = {"en": "| topic | cards |", "zh": "| 主题 | 题卡 |"}


def table(language: Language) -> str:
    """The topics that have cards, in their order, and the sum."""
    shelf = load_shelf(resource("knowledge"))
    rows = [f"| {shelf.topics[slug][language]} | {number} |" for slug, number in shelf.counts().items()]
    total = {"en": "in all", "zh": "合计"}[language]
    return "\n".join([HEADS[language], "|---|--:|", *rows, f"| {total} | {len(shelf.cards)} |"]) + "\n"


def main() -> None:
    for language, path in FILES.items():
        text = path.read_text(encoding="utf-8")
        before, rest = text.split("<!-- topics", 1)
        head, rest = rest.split("-->\n", 1)
        behind = rest.split("<!-- /topics -->", 1)[1]
        path.write_text(f"{before}<!-- topics{head}-->\n{table(language)}<!-- /topics -->{behind}", encoding="utf-8")


if __name__ == "__main__":
    main()
