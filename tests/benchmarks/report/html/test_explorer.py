"""The explorer finds in the page what Python finds, whatever the reader chooses."""

import base64

import numpy as np
import pytest

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.claims import _judge
from benchmarks.analysis.differences import MARGIN, difference
from benchmarks.analysis.places import places
from benchmarks.report.html import explorer
from benchmarks.report.html.page import page as make_page
from tests.benchmarks.analysis.simulation import World
from tests.benchmarks.report.html.pages import EVIL, comparison, without
from tests.benchmarks.results import CLASSES, TRUE

NETS = {
    "lenet": [0.70, 0.71, 0.69, 0.7],
    "resnet18": [0.72, 0.71, 0.70],
    "nin": [0.715],
    EVIL: [0.66, 0.70],
}
CHOICES = 10
CELLS = "rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return comparison(tmp_path_factory.mktemp("results") / "cifar10" / "quick", NETS)


@pytest.fixture(scope="module")
def page(browser, made):
    file = made.folder / "report.html"
    file.write_text(make_page(made), "utf-8")
    faults: list[str] = []
    opened = browser.new_page()
    opened.set_default_timeout(10_000)
    opened.on("console", lambda message: faults.append(message.text))
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(file.as_uri())
    yield opened
    assert faults == []


def unpacked(data):
    """The labels, and which images each run gets right, by net."""
    labels = np.frombuffer(base64.b64decode(data["labels"]), "<u2")
    bits = {
        net["label"]: np.array(
            [
                np.unpackbits(
                    np.frombuffer(base64.b64decode(text), np.uint8),
                    count=data["images"],
                    bitorder="little",
                )
                for text in net["correct"]
            ]
        ).astype(bool)
        for net in data["nets"]
    }
    return labels, bits


def drawn(seed):
    """A choice of a reader, by chance."""
    generator = np.random.default_rng(seed)
    nets = [name for name in NETS if generator.random() < 0.8]
    nets = nets if len(nets) > 1 else list(NETS)
    classes = generator.permutation(len(CLASSES))[: generator.integers(1, len(CLASSES) + 1)]
    a, b = generator.permutation(nets)[:2]
    return {
        "nets": nets,
        "classes": classes.tolist(),
        "seeds": int(generator.integers(1, 5)),
        "images": int(np.exp(generator.uniform(np.log(30), np.log(3000)))),
        "a": str(a),
        "b": str(b),
    }


def expected(data, choice):
    """The same by Python: intervals, pair, places, letters, widening, flip chances, verdict."""
    labels, bits = unpacked(data)
    taken = np.flatnonzero(np.isin(labels, choice["classes"]))[: choice["images"]]
    table = Accuracies.of(
        {label: bits[label][: choice["seeds"], taken] for label in choice["nets"]}
    )
    found, pair = places(table), difference(table, choice["a"], choice["b"])
    fewest = min(len(table.trainings[choice[side]].accuracies) for side in "ab")
    verdict, more, _ = _judge(pair, 1, MARGIN, fewest)
    intervals = [table.interval(label) for label in choice["nets"]]
    return {
        "intervals": [[i.estimate, i.low, i.high, i.test_set, i.seeds] for i in intervals],
        "places": [list(found.places[label]) for label in choice["nets"]],
        "letters": [found.letters[label] for label in choice["nets"]],
        "widening": found.widening,
        "pair": [pair.interval.low, pair.interval.high, pair.standard_error, pair.p],
        "degrees": pair.degrees,
        "flips": [pair.flip_chance(seeds) for seeds in (1, 3, 30)],
        "verdict": [verdict, more],
    }


IN_PAGE = """choice => {
  const found = explorer.conclude(choice);
  const pair = found.pair;
  return {
    intervals: found.intervals.map((i) => [i.estimate, i.low, i.high, i.testSet, i.seeds]),
    places: found.places,
    letters: found.letters,
    widening: found.widening,
    pair: [pair.low, pair.high, pair.error, pair.p],
    degrees: pair.degrees,
    flips: [1, 3, 30].map((seeds) => differences.flipChance(pair, seeds)),
    verdict: [found.verdict.verdict, found.verdict.more ?? null],
  };
}"""


def test_the_bits_are_those_of_the_predictions(made):
    data = explorer.data(made)
    labels, bits = unpacked(data)
    order = np.random.default_rng(explorer.ORDER_SEED).permutation(len(TRUE))
    assert (labels == TRUE[order]).all()
    for label, own in bits.items():
        assert (own == made.evidence.correct(label)[:, order]).all()
        assert own.mean(axis=1) == pytest.approx(NETS[label])


def test_no_explorer_without_two_nets_with_predictions(made):
    alone = without(made, lambda record: record.setup.model != "lenet")
    assert explorer.data(alone) is None
    assert 'id="explorer"' not in make_page(alone)


def test_the_page_concludes_what_python_concludes(page, made):
    data = explorer.data(made)
    chosen = [drawn(seed) for seed in range(CHOICES)]
    for choice in chosen:
        found = page.evaluate(IN_PAGE, choice)
        wanted = expected(data, choice)
        for name, value in wanted.items():
            if name in ("places", "letters", "verdict"):
                assert found[name] == value, (name, choice)
            else:
                assert flat(found[name]) == pytest.approx(flat(value), rel=1e-9, abs=1e-9), (
                    name,
                    choice,
                )
    assert len({choice["seeds"] for choice in chosen}) > 2


@pytest.mark.parametrize("spread", [0.02, 0.6])
def test_many_nets_have_the_places_and_letters_of_python(page, spread):
    """With the larger spread, the first net has a variance of its own."""
    means = tuple(np.linspace(1.6, 1.1, 12))
    world = World(means, seeds=4, images=400, seed=(spread, *(0.02,) * 11))
    table = world.draw(np.random.default_rng(1))
    assert (len(table.groups) > 1) == (spread > 0.1)
    wanted = places(table)
    bits = [net.correct.astype(int).tolist() for net in table.trainings.values()]
    found = page.evaluate("nets => places.of(accuracies.of(nets))", bits)
    assert found["widening"] == pytest.approx(wanted.widening, abs=1e-9)
    assert found["letters"] == [wanted.letters[name] for name in world.names]
    assert found["places"] == [list(wanted.places[name]) for name in world.names]


def flat(values):
    """Numbers in a list; -1 for None."""
    if isinstance(values, list):
        return [number for each in values for number in flat(each)]
    return [-1.0 if values is None else values]


def test_the_table_shows_all_as_the_report_does(page, made):
    rows = page.eval_on_selector_all(
        "#explored-table tbody tr",
        CELLS,
    )
    assert {row[0]: row[1] for row in rows} == dict(made.standing.places)
    for label, _, _, shown, *_ in rows:
        interval = made.standing.intervals[label]
        assert shown == f"{interval.estimate:.3f} ± {interval.half:.3f}"


def test_a_choice_stands_in_the_address_and_is_restored(page):
    page.locator("#explored-nets").get_by_label("lenet").uncheck()
    page.locator("#explored-classes").get_by_label("dog").uncheck()
    page.locator("#seeds").fill("1")
    page.locator("#images").fill("3")
    page.locator("#a").select_option("nin")
    assert page.evaluate("location.hash") == (
        "#without=lenet&classes=0%2C2&seeds=1&images=200&a=nin&b="
        + page.locator("#b").input_value()
    )
    page.reload()
    page.wait_for_selector("#explored-table tbody tr")
    assert page.locator("#explored-table tbody tr").count() == 3
    assert page.locator("#images-shown").inner_text() == "200 of 2,000"
    assert "200 images" in page.locator("#explored-scope").inner_text()
    assert page.locator("#explored-verdict").inner_text().startswith("needs about 2 more seeds")
    assert page.locator("#flip-figure").is_hidden()
    page.get_by_role("button", name="None").click()
    page.wait_for_function("document.querySelectorAll('#explored-table tbody tr').length === 0")
    page.get_by_role("button", name="All of it").click()
    page.wait_for_selector("#flip .scatterlayer .trace")
    assert page.locator("#explored-table tbody tr").count() == 4


def test_the_explorer_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth === 390")
