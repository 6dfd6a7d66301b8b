"""Control rows decide whether a metric may be believed: what it must catch, and what happens when it does not."""

from __future__ import annotations

from ganzoo.cards import Metric
from ganzoo_evaluation.controls import (
    BICUBIC,
    BLURRED,
    COPIES,
    EXPLANATIONS,
    FILL,
    GAUSSIAN,
    HELD_OUT,
    INPUT,
    NEAREST,
    REPEATED,
    WRONG,
    sees,
)
from ganzoo_evaluation.passport import Estimate, Passport
from ganzoo_evaluation.results import Row


def card(better: str = "lower", catches: tuple[str, ...] = (BLURRED, REPEATED, GAUSSIAN)) -> Metric:
    return Metric(name="m", title="M", summary="", paper="", better=better, compute="x:y", catches=catches)


def rows(counts: int = 100, held_out: int = 100, **values: float) -> list[Row]:
    made = []
    for name in (HELD_OUT, COPIES, BLURRED, REPEATED, GAUSSIAN):
        count = held_out if name == HELD_OUT else counts
        passport = Passport(metric="m", version=1, count=count, source=name)
        value = values.get(name.split()[0].strip(",").lower(), 1.0)
        found = Estimate(
            metric="m", name="m", title="M", better="lower", group="quality", value=value, error=0.1, passport=passport
        )
        made.append(Row(name=name, kind="control", count=count, estimates={"m": found}))
    return made


def test_every_control_says_what_it_is_there_for() -> None:
    drawn, given = {HELD_OUT, COPIES, BLURRED, REPEATED, GAUSSIAN}, {INPUT, FILL, BICUBIC, NEAREST}
    assert set(EXPLANATIONS) == drawn | given | {WRONG}


def test_a_metric_sees_what_is_worse_by_more_than_two_errors() -> None:
    assert sees(rows(blurred=2.0, one=5.0, gaussian=1.1), card()) == ([BLURRED, REPEATED], [GAUSSIAN])


def test_a_metric_that_tells_nothing_apart_is_blind() -> None:
    assert sees(rows(), card()) == ([], [BLURRED, REPEATED, GAUSSIAN])


def test_only_what_a_metric_is_for_is_asked_of_it() -> None:
    found = rows(blurred=1.0, one=9.0)
    assert sees(found, card(catches=(REPEATED,))) == ([REPEATED], [])
    assert sees(found, card(catches=())) is None
    assert sees(found, card(better="")) is None, "a fact ranks nobody"


def test_higher_may_be_better() -> None:
    assert sees(rows(blurred=0.2), card(better="higher", catches=(BLURRED,))) == ([BLURRED], [])


def test_few_held_out_pictures_are_no_floor_for_the_others() -> None:
    """FD of 100 pictures is higher than of 1,000: against such a floor, nothing would look worse."""
    few = rows(counts=1000, held_out=100, real=50.0, training=0.0, blurred=20.0)
    assert sees(few, card(catches=(BLURRED,))) == ([BLURRED], [])
    copied = rows(counts=1000, held_out=100, real=0.7, training=0.0)
    assert sees(copied, card(better="higher", catches=(COPIES,))) == ([COPIES], [])
