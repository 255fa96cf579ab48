import sys
from pathlib import Path

from tutor.cards import CardError, load_card, load_shelf
from tutor.checking import problems
from tutor.grading import RubricGrader

FOLDER = Path(__file__).parent.parent / "knowledge"


def main() -> int:
    command, *rest = sys.argv[1:]
    damaged: list[CardError] = []
    shelf = load_shelf(FOLDER, damaged)
    if command == "check":
        found = [str(e) for e in damaged if not rest or any(f"/{i}.yaml" in str(e) for i in rest)]
        missing = [i for i in rest if i not in shelf.by_id and not any(f"/{i}.yaml" in str(e) for e in damaged)]
        found += [f"there is no card {i}" for i in missing] + problems(shelf, rest)
        print("\n".join(found) or f"{len(rest) or len(shelf.cards)} cards, nothing to mend")
        return 1 if found else 0
    grade = RubricGrader(shelf).grade(shelf.by_id[rest[0]], " ".join(rest[1:]) or sys.stdin.read())
    print(grade.score, grade.gate or "")
    for mark in grade.marks:
        print(f"  {mark.verdict:12} {mark.key_point:28} {mark.quote}")
    for f in grade.misconceptions:
        print(f"  misconception {f.misconception}: {f.quote}")
    return 0


sys.exit(main())
