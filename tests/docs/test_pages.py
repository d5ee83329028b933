"""What README and docs name is there: links, files, functions, imports, commands and their keys."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.command import compose_values
from perception.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "studies/README.md", *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(r"`([\w/]+/\w+\.py)(?::([\w.]+))?`")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r'@script\("([\w/-]+)"')
LARGEST_PICTURE = 3_000_000

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return [
        code for name, code in FENCE.findall(page.read_text(encoding="utf-8")) if name == language
    ]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}


def defines(path: Path, name: str) -> bool:
    """Tell whether a file defines a dotted name."""
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    for part in name.split("."):
        named = [n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        found = next((n for n in named if n.name == part), None)
        if found is None:
            return part in assigned(body)
        body = found.body
    return True


def missing(named: list[tuple[str, str]]) -> list[str]:
    """List what is not there, of files and the names in them."""
    return [
        f"{file}:{name}"
        for file, name in named
        if not (ROOT / file).exists() or (name and not defines(ROOT / file, name))
    ]


def assigned(body: list[ast.stmt]) -> set[str]:
    """Name the variables, fields and imports of a body."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def commands(page: Path) -> Iterator[list[str]]:
    """Give the words of every `python` command of a page, in its blocks and in its sentences."""
    lines = "".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    for line in lines:
        for part in line.removeprefix("$ ").split(" && "):
            words = shlex.split(part, comments=True)
            if words and words[0] in ("python", "torchrun"):
                yield words
    for code in re.findall(r"`(python [^`…]+)`", prose(page)):
        yield shlex.split(code)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 230


def test_pictures_are_small_and_shown() -> None:
    links = " ".join(link for page in PAGES for link in LINK.findall(page.read_text()))
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert picture.stat().st_size < LARGEST_PICTURE, picture
        assert f"pictures/{picture.name}" in links, picture


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        target, _, anchor = link.partition("#")
        if target.startswith("http"):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path), link


@each_page
def test_every_file_and_function_named_is_there(page: Path) -> None:
    assert not missing(NAMED_FILE.findall(prose(page)))


def test_the_readme_says_where_each_idea_of_the_paper_is() -> None:
    text = (ROOT / "README.md").read_text().split("| idea | file:function |")[1]
    rows = re.findall(r"^\| (.+) \| `([\w/]+\.py):([\w.]+)` \|$", text, re.MULTILINE)
    ideas = " ".join(idea for idea, _, _ in rows)
    for wanted in ("Eq. 7", "DDIM", "Eq. 12", "Eq. 14", "Eq. 15", "Eq. 23", "Eq. 24",
                   "Algorithm 1", "target buffer", "DP3 encoder", "moving average"):  # fmt: skip
        assert wanted in ideas
    assert not missing([(file, name) for _, file, name in rows])


def imports(page: Path) -> list[tuple[str, str]]:
    """Give the files of ours and the names that a page's Python imports from them."""
    trees = [ast.parse(code) for code in blocks(page, "python")]
    nodes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    pairs = [((n.module or "").replace(".", "/") + ".py", n.names) for n in nodes]
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    return [(f, alias.name) for f, names in pairs if f.split("/")[0] in rooms for alias in names]


@each_page
def test_every_import_shown_works(page: Path) -> None:
    assert not missing(imports(page))


def problem(words: list[str]) -> str:
    """Say what is wrong with a command; empty where nothing is."""
    script = next((word for word in words if word.endswith(".py")), None)
    if words[1] == "-m" and words[2].startswith("studies."):
        script = words[2].replace(".", "/") + ".py"
    if script is None:
        return ""
    if not (ROOT / script).exists():
        return f"no {script}"
    config = SCRIPT.search((ROOT / script).read_text())
    sweep = words[2:3] == ["-m"]  # Whose values are lists for Hydra to go through.
    keys = [word for word in words[1:] if "=" in word and not word.startswith("-")]
    keys = [key.split(",")[0] if sweep else key for key in keys]
    if config is None:
        return f"{script} has no keys" if keys else ""
    try:
        compose_values(f"scripts/{config[1]}", keys)
    except InputError as error:
        return str(error).splitlines()[0]
    return ""


@each_page
def test_every_command_shown_is_one(page: Path) -> None:
    wrong = {shlex.join(words): problem(words) for words in commands(page)}
    assert not {command: why for command, why in wrong.items() if why}
