"""How a report looks: in a terminal, as Markdown, and as one page that needs nothing else."""

from __future__ import annotations

import base64
import io
import itertools
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ganzoo_data import embedded
from ganzoo_evaluation.charts import Mark, dots, line_chart, scatter, symbol, tick_texts, ticks
from ganzoo_evaluation.passport import Estimate, Passport, full_name
from ganzoo_evaluation.render_html import html
from ganzoo_evaluation.render_text import code, escaped, markdown, print_report
from ganzoo_evaluation.rendering import clean
from ganzoo_evaluation.results import Curve, Panel, Plane, Point, Report, Row, Series, Verdict

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; | `]]> \x1b[31m\u202e\udc80"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
METRICS = {
    "fd": ("Fréchet distance", "lower", "quality", (16.71, 41.23), (3.17, 312.4)),
    "kid": ("Kernel distance", "lower", "quality", (0.01183, 0.03317), (-0.00014, 0.5129)),
    "precision": ("Precision", "higher", "quality", (0.713, 0.787), (0.841, 1.0)),
    "sharpness": ("Sharpness against the data", "", "sharpness", (0.963, 0.481), (1.013, 1.317)),
    "recall": ("Recall", "higher", "coverage", (0.621, 0.553), (0.833, 0.0)),
    "accuracy": ("Class accuracy", "higher", "classes", (None, 0.859), (0.887, None)),
    "ppl": ("Path length", "lower", "smoothness", (812.3, 143.7), (None, None)),
    "authpct": ("Authenticity", "higher", "memorisation", (0.617, 0.703), (0.631, 0.607)),
    "parameters": ("Parameters", "lower", "cost", (1_128_449.0, 1_301_121.0), (None, None)),
}
DESCRIPTIONS = {metric: f"What {title} means, in a line." for metric, (title, *_) in METRICS.items()}


def estimate(metric: str, value: float | None, *, count: int = 1000, note: str = "") -> Estimate:
    title, better, group, _, _ = METRICS[metric]
    identity = {"sha256": "ab" * 32, "resize": "bicubic", "precision": "fp32"}
    passport = Passport(
        metric=metric, version=1, count=count, network="efflite0", network_identity=identity, reference_count=1000
    )
    return Estimate(
        metric=metric,
        name=full_name(metric, "efflite0", identity, count),
        title=title,
        better=better,
        group=group,
        value=value,
        error=None if value is None or metric == "parameters" else abs(value) * 0.02,
        note=note,
        passport=passport,
    )


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Real clothes, uint8 (64, 28, 28, 1)."""
    return embedded.fashion("test")[0][:64].reshape(64, 28, 28, 1)


@pytest.fixture
def report(pictures: np.ndarray) -> Report:
    """Two models and two controls by nine metrics, with a missing value, one of another count, and a blind metric."""
    rows = [
        Row(name="model A", kind="model", count=1000, samples=pictures, facts={"steps": "4,000"}),
        Row(name="model B", kind="model", count=1000, samples=255 - pictures),
        Row(name="held-out", kind="control", count=1000, samples=pictures, explanation="Real and never seen."),
        Row(name="one picture", kind="control", count=1000, explanation="No variety at all."),
    ]
    for metric, (_, _, _, models, controls) in METRICS.items():
        for row, value in zip(rows, (*models, *controls), strict=True):
            note = "it has no labels to ask for" if value is None else ""
            row.estimates[metric] = estimate(metric, value, note=note)
    rows[1].estimates["ppl"] = estimate("ppl", 143.7, count=256)
    verdict = Verdict(
        metric="fd",
        name="fd[efflite0]@1k",
        first="model A",
        second="model B",
        difference=-24.52,
        error=0.89,
        p=1e-9,
        winner="model A",
        text="fd[efflite0]@1k: model A is better by 24.52 ± 0.89 (p < 0.001)",
    )
    tie = replace(verdict, metric="recall", name="recall", winner="", text="recall: cannot be told apart (p = 0.31)")
    stream = io.BytesIO()
    Image.fromarray(pictures[0, ..., 0]).save(stream, format="PNG")
    x = (0.0, 1000.0, 2000.0, 3000.0)
    return Report(
        title="model A against model B",
        command="ganzoo eval a --compare b",
        reference="1,000 samples against the test pictures.",
        network="Features of efflite0.",
        columns=list(METRICS),
        rows=rows,
        blind={"authpct": "copies cannot be told from others"},
        remarks=["1,000 samples are few."],
        verdicts=[verdict, tie],
        summary=["A's samples are closer.", "B reconstructs better."],
        panels=[
            Panel(title="Nearest", caption="A copy would stand beside its original.", png=stream.getvalue(), width=280)
        ],
        curves=[
            Curve(
                title="Quality",
                x_label="step",
                y_label="distance",
                series=(
                    Series(name="model A", x=x, y=(140.0, 60.0, 30.0, 17.0), errors=(4.0, 3.0, 2.0, 1.0)),
                    Series(name="model B", x=x, y=(90.0, 50.0, 45.0, 41.0)),
                ),
            )
        ],
        date="2026-01-02",
        seconds=84.0,
        software={"torch": "2.15"},
    )


def hostile(report: Report) -> Report:
    """The same with every text replaced by what a wicked file name may hold."""
    rows = [
        replace(row, name=f"{HOSTILE}{i}", explanation=HOSTILE, facts={HOSTILE: HOSTILE})
        for i, row in enumerate(report.rows)
    ]
    for row in rows:
        row.estimates = {
            metric: replace(found, note=HOSTILE, title=HOSTILE, name=HOSTILE, group=HOSTILE)
            for metric, found in row.estimates.items()
        }
    curves = [
        replace(curve, title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE, caption=HOSTILE) for curve in report.curves
    ]
    curves = [replace(c, series=tuple(replace(line, name=HOSTILE) for line in c.series)) for c in curves]
    return replace(
        report,
        title=HOSTILE,
        command=HOSTILE,
        reference=HOSTILE,
        network=HOSTILE,
        rows=rows,
        blind=dict.fromkeys(report.blind, HOSTILE),
        remarks=[HOSTILE],
        verdicts=[replace(v, winner=HOSTILE, text=HOSTILE) for v in report.verdicts],
        summary=[HOSTILE, HOSTILE],
        panels=[replace(panel, title=HOSTILE, caption=HOSTILE) for panel in report.panels],
        curves=curves,
        date=HOSTILE,
        software={HOSTILE: HOSTILE},
    )


def tree(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page)


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def shown(report: Report) -> list[str]:
    """Every value as it must stand in a table."""
    return [found.text for row in report.rows for found in row.estimates.values() if found.value is not None]


# ------------------------------------------------------------------------------------------------------- a terminal


def drawn(report: Report, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_terminal_of_any_width_shows_every_number_and_cuts_nothing(report: Report, width: int) -> None:
    text = drawn(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for value in shown(report):
        assert value in text, value
    for row in report.rows:
        assert row.name in text
    for said in (*report.summary, *report.remarks, *(v.text for v in report.verdicts), "Real and never seen."):
        assert said in re.sub(r"\s+", " ", text), said


def test_many_rows_go_into_further_tables(report: Report) -> None:
    more = [replace(report.rows[0], name=f"a model with a long name, number {i}") for i in range(9)]
    report.rows = [*more, *report.controls]
    text = drawn(report, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("16.71 ± 0.33") == 9
    assert text.count("Sample quality") > 2


def test_arrows_dashes_parentheses_and_footnotes_say_what_they_stand_for(report: Report) -> None:
    text = drawn(report, 160)
    assert "fd[efflite0]@1k ↓" in text
    assert "precision[efflite0]@1k ↑" in text
    assert re.search(r"sharpness\[efflite0\]@1k +\d", text)
    notes = dict(re.findall(r"^ +\[(\d)\] (.*?) *$", text, re.MULTILINE))
    blind = re.search(r"authpct\[efflite0\]@1k ↑ \[(\d)\]", text)
    missing = re.search(r"accuracy\[efflite0\]@1k ↑ +– \[(\d)\]", text)
    foreign = re.search(r"\(143\.7 ± 2\.9\) \[(\d)\]", text)
    assert blind
    assert missing
    assert foreign
    assert notes[blind[1]] == "blind here: copies cannot be told from others"
    assert notes[missing[1]] == "it has no labels to ask for"
    assert notes[foreign[1]] == "not comparable with the others of its metric: count 256 / 1,000"


def test_only_the_best_of_comparable_models_is_bold(report: Report) -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="truecolor", highlight=False)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    bold = re.findall(r"\x1b\[1m *([\d(][^\x1b]*?) *\x1b", console.file.getvalue())
    assert [text for text in bold if "±" in text or "," in text] == [
        "16.71 ± 0.33",
        "0.01183 ± 0.00024",
        "0.787 ± 0.016",
        "0.621 ± 0.012",
        "1,128,449",
    ]


def test_an_empty_report_is_drawn_too(report: Report) -> None:
    bare = Report(title="nothing", command="", reference="", network="", columns=[], rows=[])
    assert "nothing" in drawn(bare, 80)
    assert "nothing" in markdown(bare)
    assert words(tree(html(bare))).count("nothing") == 2


def test_names_cannot_steer_a_terminal(report: Report) -> None:
    text = drawn(hostile(report), 120)
    assert not set(text) & {"\x1b", "\u202e", "\udc80"}
    assert clean("a\n b\tc\x07\ufffe") == "a b c"


# --------------------------------------------------------------------------------------------------------- Markdown


def cells(line: str) -> list[str]:
    """The cells of a line of a GitHub table: separated by bars that no backslash precedes."""
    return [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_holds_tables_of_equal_width_with_every_number(report: Report) -> None:
    text = markdown(report)
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [cells(table[0])[1:] for table in tables] == [["model A", "model B"], ["held-out", "one picture"]]
    for table in tables:
        assert {len(cells(line)) for line in table} == {3}
        assert set(cells(table[1])) == {"---", "---:"}
    for value in shown(report):
        assert value in text
    assert "| `fd[efflite0]@1k` ↓ | **16.71 ± 0.33** | 41.23 ± 0.82 |" in text


def test_markdown_ends_with_the_keys_of_the_passports_and_the_command(report: Report) -> None:
    text = markdown(report)
    for metric in report.columns:
        heading = report.heading(metric)
        assert heading is not None
        assert f"`{heading.name}` `{heading.passport.key}`" in text
    assert "`ganzoo eval a --compare b`" in text


def test_no_name_breaks_out_of_a_markdown_table(report: Report) -> None:
    tables = [part.splitlines() for part in markdown(hostile(report)).split("\n\n") if part.startswith("|")]
    assert tables
    for table in tables:
        assert {len(cells(line)) for line in table} == {3}
    assert escaped("a|b_<i>") == r"a\|b\_\<i\>"
    assert code("a`b|c`") == r"`` a`b\|c` ``"


# ----------------------------------------------------------------------------------------------------------- charts


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1, 5) == pytest.approx([0, 0.5, 1.0]) or ticks(0, 1, 5) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    for low, high in ((0.0113, 0.0334), (-3, 17), (0, 123_456), (99.5, 100.5)):
        found = ticks(low, high, 5)
        step = found[1] - found[0]
        assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
        assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)
    assert ticks(2, 2) == [2]
    assert ticks(float("nan"), 1) == []


def test_ticks_are_written_with_the_same_digits() -> None:
    assert tick_texts([0.0, 0.5, 1.0]) == ["0.0", "0.5", "1.0"]
    assert tick_texts([-20.0, 0.0, 20.0]) == ["−20", "0", "20"]
    assert tick_texts([0, 10_000, 20_000]) == ["0", "10k", "20k"]
    assert tick_texts([0, 500_000, 1_000_000]) == ["0", "0.5M", "1.0M"]
    assert tick_texts([1_000, 2_000]) == ["1,000", "2,000"]
    assert tick_texts([1e-5, 2e-5]) == ["1e−5", "2e−5"]


def marks(chart: str, kind: str) -> list[float]:
    return [float(x) for x in re.findall(rf'<circle class="{kind}" cx="([\d.]+)"', chart)]


def test_dots_stand_in_the_order_of_their_values_and_whiskers_span_two_errors() -> None:
    rows = [Mark(name=str(v), value=v, error=0.5) for v in (3.0, 1.0, 2.0)]
    chart = dots(rows)
    a, b, c = marks(chart, "s0")
    assert b < c < a
    assert c - b == pytest.approx(a - c, abs=0.11)
    whiskers = [(float(x), float(y)) for x, y in re.findall(r'whisker" d="M([\d.]+) [\d.]+H([\d.]+)"', chart)]
    assert len(whiskers) == 3
    assert [y - x for x, y in whiskers] == pytest.approx([2 * (c - b)] * 3, abs=0.25)


def test_only_a_distance_far_from_its_controls_gets_a_logarithmic_axis_and_says_so() -> None:
    rows, far = [Mark(name="A", value=10.0), Mark(name="B", value=20.0)], [Mark(name="one", value=400.0, letter="a")]
    assert "logarithmic" in dots(rows, far, better="lower")
    assert "logarithmic" not in dots(rows, far, better="higher")
    assert "logarithmic" not in dots(rows, better="lower")
    a, b = (marks(dots([row], [*far, Mark(name="low", value=1.0)], better="lower"), "s0")[0] for row in rows)
    assert a < b
    floor = [*far, Mark(name="held-out", value=-0.01, letter="b")]
    ElementTree.fromstring(dots(rows, floor, better="lower"))


def test_charts_leave_out_what_is_not_a_number() -> None:
    assert dots([Mark(name="A", value=math.nan)]) == ""
    assert dots([Mark(name="A", value=math.inf), Mark(name="B", value=1.0)]).count("<circle") == 1
    line = Series(name="A", x=(0, 1, 2, 3, 4), y=(1.0, 2.0, math.nan, 4.0, 5.0))
    chart = line_chart(Curve(title="t", x_label="x", y_label="y", series=(line,)))
    assert chart.count(' line"') == 2
    assert "nan" not in chart
    empty = Series(name="A", x=(0.0,), y=(math.nan,))
    assert line_chart(Curve(title="t", x_label="x", y_label="y", series=(empty,))) == ""


def test_a_line_has_its_rows_colour_its_name_at_its_end_and_a_band_of_two_errors(report: Report) -> None:
    chart = ElementTree.fromstring(line_chart(report.curves[0], ["model B", "model A"]))
    lines = [element for element in chart.iter("path") if element.get("class", "").endswith(" line")]
    assert [element.get("class") for element in lines] == ["s1 line", "s0 line"]
    names = {text.get("class"): text for text in chart.iter("text") if text.get("class", "").endswith(" name")}
    assert "model A" in words(names["s1 name"])
    ends = [float(str(element.get("d")).split()[-1]) for element in lines]
    assert float(str(names["s1 name"].get("y"))) == pytest.approx(ends[0] + 4, abs=15)
    bands = [element for element in chart.iter("polygon") if element.get("class") == "s1 band"]
    corners = [tuple(map(float, point.split(","))) for point in str(bands[0].get("points")).split()]
    y = [float(pair.split()[1]) for pair in re.split("[ML]", str(lines[0].get("d")))[1:]]
    heights = [low[1] - high[1] for high, low in zip(corners[:4], corners[:3:-1], strict=True)]
    scale = (y[3] - y[0]) / (140 - 17)
    assert heights == pytest.approx([4 * error * scale for error in (4, 3, 2, 1)], abs=0.3)


def test_the_first_six_rows_have_symbols_of_their_own() -> None:
    shapes = {re.sub(r"s\d", "", symbol(place, 10, 10)) for place in range(6)}
    assert len(shapes) == 6


# ------------------------------------------------------------------------------------------------------------- HTML


def test_the_page_is_well_formed_and_says_all(report: Report) -> None:
    page = tree(html(report, DESCRIPTIONS))
    text = words(page)
    for value in shown(report):
        assert value in text, value
    said = [
        *report.summary,
        *report.remarks,
        *report.blind.values(),
        *DESCRIPTIONS.values(),
        report.command,
        "torch 2.15",
    ]
    said += [report.reference, report.network, "Real and never seen.", "84 s", "ab" * 32]
    for sentence in said:
        assert sentence in text, sentence
    for row in report.rows:
        for found in row.estimates.values():
            assert found.passport.key in text


def test_the_page_loads_nothing(report: Report) -> None:
    page = html(report, DESCRIPTIONS)
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "@import" not in page
    for element in tree(page).iter():
        assert element.tag not in ("script", "iframe", "object", "embed", "form", "base")
        for name, value in element.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "data"):
                assert value.startswith(("data:", "#")), value
    assert "default-src 'none'" in page.replace("&#39;", "'")


def test_links_inside_the_page_lead_somewhere(report: Report) -> None:
    page = tree(html(report, DESCRIPTIONS))
    identities = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(identities) == len(set(identities))
    targets = {str(a.get("href"))[1:] for a in page.iter("a")}
    assert targets
    assert targets <= set(identities)


def test_nothing_in_a_name_becomes_markup(report: Report) -> None:
    plain, wicked = tree(html(report)), tree(html(hostile(report)))
    assert {element.tag for element in wicked.iter()} <= {element.tag for element in plain.iter()}
    for element in wicked.iter():
        assert not any(name.startswith("on") for name, _ in element.items())
    assert "<script>alert(1)</script>" in words(wicked)
    html(hostile(report)).encode("utf-8")


def test_the_page_can_be_heard_as_well_as_seen(report: Report) -> None:
    page = tree(html(report, DESCRIPTIONS))
    assert page.get("lang") == "en"
    for image in page.iter("img"):
        assert image.get("alt")
    for head in page.iter("th"):
        assert head.get("scope") in ("col", "row", "rowgroup")
    for svg in page.iter("svg"):
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-label"))
    levels = [int(element.tag[1]) for element in page.iter() if re.fullmatch(r"h\d", element.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    best = [words(cell) for cell in page.iter("td") if cell.get("class") == "best"]
    assert best
    assert all(text.endswith("best") for text in best)


def test_pictures_on_the_page_are_the_rows_own(report: Report, pictures: np.ndarray) -> None:
    images = [image for image in tree(html(report)).iter("img") if "samples of model A" in str(image.get("alt"))]
    content = base64.b64decode(str(images[0].get("src")).partition(",")[2])
    sheet = np.asarray(Image.open(io.BytesIO(content)).convert("LA"))[..., 0]
    assert (sheet[:28, :28] == pictures[0, ..., 0]).all()
    assert (sheet[29:57, 29:57] == pictures[9, ..., 0]).all()
    assert images[0].get("class") == "pixel"


def test_colour_and_large_pictures_make_sheets_too(report: Report) -> None:
    report.rows[0].samples = np.random.default_rng(0).integers(0, 256, (5, 300, 280, 3), dtype=np.uint8)
    images = [image for image in tree(html(report)).iter("img") if "samples of model A" in str(image.get("alt"))]
    assert int(str(images[0].get("width"))) <= 3 * 257
    assert images[0].get("class") is None


def test_a_panel_that_is_no_png_is_refused(report: Report) -> None:
    report.panels = [replace(report.panels[0], png=b"GIF89a")]
    with pytest.raises(ValueError, match="PNG"):
        html(report)


def test_the_style_sheet_defines_every_colour_for_light_and_dark(report: Report) -> None:
    style = words(next(tree(html(report)).iter("style")))
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    dark = dark.partition("* {")[0]
    for variable in set(re.findall(r"var\((--\w+)\)", style)) - {"--width", "--serif", "--sans", "--mono"}:
        assert f"{variable}: #" in light, variable
        assert f"{variable}: #" in dark, variable


# ------------------------------------------------------------------------------------------------ in a real browser


Browser = Callable[..., tuple[np.ndarray, str]]


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """`browser(page, width, dark)`: a screenshot of the page, and what the browser wrote to its log."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")

    def call(page: str, width: int = 1280, dark: bool = False, height: int = 2400) -> tuple[np.ndarray, str]:
        source, picture = tmp_path / "report.html", tmp_path / "report.png"
        source.write_text(page, encoding="utf-8")
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", "--v=0"]
        words += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}"]
        words += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--window-size={width},{height}"]
        done = subprocess.run(
            [CHROMIUM, *words, f"--screenshot={picture}", source.as_uri()], capture_output=True, text=True, timeout=120
        )
        return np.asarray(Image.open(picture).convert("RGB")), done.stderr

    return call


def test_a_browser_draws_the_page_and_complains_of_nothing(report: Report, browser: Browser) -> None:
    light, said = browser(html(report, DESCRIPTIONS))
    assert light.shape == (2400, 1280, 3)
    assert "CONSOLE" not in said, said
    assert "report.html" not in said, said
    assert light[5, 5].min() > 240
    # Ink in every part of the page, and both rows' colours in the charts.
    assert all((part.min(axis=2) < 100).mean() > 0.002 for part in np.array_split(light, 4))
    flat = light.reshape(-1, 3)
    for colour in ((0x1F, 0x5F, 0xA8), (0xB8, 0x4C, 0x12)):
        assert (flat == colour).all(axis=1).sum() > 200
    dark, _ = browser(html(report, DESCRIPTIONS), dark=True)
    assert dark[5, 5].max() < 40


def test_the_browser_would_have_complained(browser: Browser) -> None:
    fetching = (
        "const a = new Image(); a.onerror = () => console.log('not fetched'); a.src = 'http://ganzoo.invalid/a.png'"
    )
    assert "CONSOLE" in browser(f"<script>{fetching}; console.log('ran')</script>", height=200)[1]


def test_a_browser_runs_nothing_that_a_name_holds(report: Report, browser: Browser) -> None:
    _, said = browser(html(hostile(report)))
    assert "CONSOLE" not in said, said


def test_the_page_is_no_wider_than_a_telephone(report: Report, browser: Browser) -> None:
    # A window cannot be narrower than some 500 pixels, a frame can: with a magenta ground to its right, and a page that
    # would scroll sideways if it were too wide, whose scroll bar would show.
    page = html(report, DESCRIPTIONS).replace('"', "&quot;")
    frame = (
        f'<body style="margin:0;background:#f0f"><iframe srcdoc="{page}" style="border:0" width="360" height="2300">'
    )
    wide, _ = browser(f"<!DOCTYPE html>{frame}</iframe>", width=600)
    assert (wide[:2300, 362:] == (255, 0, 255)).all()
    margin = wide[:2300, 346:360].astype(int)
    assert (margin.min(axis=2) > 200).mean() > 0.99


# --- rows in a plane --------------------------------------------------------------------------------------------------


def plane(*points: Point, **changes: Any) -> Plane:
    facts: dict[str, Any] = {"title": "T", "x_label": "x", "y_label": "y", "x_better": "higher", "y_better": "lower"}
    return Plane(points=points, **{**facts, **changes})


def placed(svg: str) -> list[tuple[float, float, float, float]]:
    """Where the labels of points are: left, top, right, bottom, at the usual width of a letter."""
    boxes = []
    for text in ElementTree.fromstring(svg).iter("text"):
        if {"name", "plain"} & set(text.get("class", "").split()):
            long = 7.1 * len((text[0].tail or "").strip())
            x, y = float(text.get("x", "")), float(text.get("y", "")) - 4
            left = x - long if "end" in text.get("class", "").split() else x
            boxes.append((left, y - 6, left + long, y + 6))
    return boxes


def test_every_row_is_a_labelled_point_and_more_of_it_stands_to_the_right_and_above() -> None:
    first, second = Point(name="low", x=1, y=1, x_error=0.1), Point(name="<high>", x=2, y=3, y_error=0.2, control=True)
    svg = scatter(plane(first, second), ["low"])
    root = ElementTree.fromstring(svg)
    ring = next(one for one in root.iter("circle") if one.get("class") == "ring")
    dot = next(one for one in root.iter("circle") if one.get("class") == "s0")
    assert float(ring.get("cx", "")) > float(dot.get("cx", ""))
    assert float(ring.get("cy", "")) < float(dot.get("cy", "")), "up is more"
    assert {"low", "<high>"} <= {(text[0].tail or "") for text in root.iter("text") if len(text)}
    assert "low at 1 and 1; <high> at 2 and 3" in root.get("aria-label", "")


def test_labels_of_points_that_lie_close_do_not_meet() -> None:
    points = [Point(name=f"a run with a long name {i}", x=20 + i / 100, y=1 + i / 1000) for i in range(6)]
    boxes = placed(scatter(plane(*points, Point(name="far", x=30, y=2))))
    assert len(boxes) == 7
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


def test_a_label_says_what_it_is_told_to_and_the_name_is_in_its_title() -> None:
    svg = scatter(plane(Point(name="run (after warmup)", label="after warmup", x=1, y=2), Point(name="b", x=2, y=2)))
    assert "<title>run (after warmup)</title>after warmup</text>" in svg


def test_distances_that_are_far_apart_have_a_logarithmic_axis() -> None:
    svg = scatter(plane(Point(name="a", x=1, y=0.01), Point(name="b", x=2, y=10)))
    assert "y, logarithmic" in svg
    assert "x, logarithmic" not in svg


def test_points_that_are_not_finite_are_left_out() -> None:
    assert scatter(plane(Point(name="a", x=float("nan"), y=1))) == ""
    svg = scatter(plane(Point(name="a", x=1, y=1), Point(name="b", x=float("inf"), y=1)))
    assert ">a</text>" in svg
    assert ">b</text>" not in svg
