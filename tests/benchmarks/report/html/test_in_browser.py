"""The page in a headless Chromium: what a reader does, and what the address keeps of it."""

from itertools import pairwise

import pytest

from benchmarks.report.html.page import page as make_page
from tests.benchmarks.report.html.pages import EVIL, comparison

ROWS = "#nets tbody tr[data-label]"
PLOTS = ("accuracy", "trade-off", "curves")


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The page, open; at the end, nothing was requested and no script complained."""
    folder = tmp_path_factory.mktemp("results") / "cifar10" / "quick"
    made = make_page(comparison(folder))
    file = folder / "report.html"
    file.write_text(made, "utf-8")
    faults: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url))
    page.goto(file.as_uri())
    yield page
    local = (file.as_uri(), "data:", "blob:")
    assert [fault for fault in faults if not fault.startswith(local)] == []


@pytest.fixture
def page(opened):
    """The page as a reader finds it who has chosen nothing."""
    opened.set_viewport_size({"width": 1440, "height": 844})
    opened.emulate_media(color_scheme="light")
    choose(opened, "")
    return opened


def choose(page, fragment):
    """Follows a link with this hash, and waits until all is drawn."""
    page.evaluate("location.hash = '#nothing'; 0")
    page.evaluate(
        """fragment => new Promise((done) => {
          addEventListener("hashchange", () => requestAnimationFrame(() => done()), {once: true});
          location.hash = fragment || "#table";
        })""",
        fragment,
    )


def reload(page):
    page.reload()
    page.wait_for_selector("#curves .scatterlayer .trace")


def models(page):
    return page.eval_on_selector_all(ROWS, "rows => rows.map((row) => row.dataset.label)")


def test_the_table_is_sorted_and_filtered_and_the_address_keeps_it(page):
    assert models(page) == ["resnet18", EVIL, "lenet", "vgg11"]
    page.locator("#nets thead th", has_text="parameters").click()
    assert [name for name in models(page) if name != "vgg11"] == ["lenet", EVIL, "resnet18"]
    page.get_by_label("Filter").fill("net")
    assert models(page) == ["lenet", "resnet18"]
    accuracy = page.locator("#nets thead th", has_text="test accuracy")
    accuracy.get_by_role("button", name="Search").click()
    page.locator(".dtcc-dropdown select").select_option("greater")
    page.locator(".dtcc-dropdown input").fill("0.75")
    assert models(page) == ["resnet18"]
    reload(page)
    assert models(page) == ["resnet18"]
    assert page.get_by_label("Filter").input_value() == "net"
    assert page.locator("#nets [aria-sort=ascending]").inner_text().startswith("parameters")


def test_a_row_for_each_run_and_columns_that_are_chosen(page):
    choose(page, "#columns=model,seed,commit&rows=runs")
    assert models(page) == ["resnet18"] * 2 + [EVIL] * 2 + ["lenet"] * 2 + ["vgg11"]
    assert page.locator("#nets thead th").count() == 3
    page.get_by_role("radio", name="each model").check()
    assert len(models(page)) == 4
    page.get_by_role("button", name="Columns").click()
    page.locator(".dt-button-collection").get_by_text("commit").click()
    assert page.evaluate("state.get('columns')") == "model,seed"
    page.keyboard.press("Escape")


def test_the_shown_columns_are_exported_with_all_digits(page):
    choose(page, "#columns=model,test_accuracy,parameters")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0] == '"model","parameters","test_accuracy"'
    assert lines[1] == '"resnet18","11175370","0.805"'


def test_focus_greys_the_others_everywhere(page):
    page.locator(ROWS).get_by_role("button", name="lenet").press("Enter")
    page.wait_for_function("document.querySelector('#curves').data.at(-1).meta === 'lenet'")
    grey = page.evaluate("theme.color('--faded')")
    for plot in PLOTS:
        found = page.evaluate(
            """plot => document.getElementById(plot).data
              .map((trace) => [trace.meta, trace.marker?.color ?? trace.line.color])""",
            plot,
        )
        assert {color for label, color in found if label == "resnet18"} == {grey}
        assert grey not in {color for label, color in found if label == "lenet"}
    assert page.locator(f"{ROWS}.focused").count() == 1
    assert page.locator(f"{ROWS}.faded").count() == 3
    assert page.evaluate("location.hash") == "#focus=lenet"
    page.wait_for_selector("details[data-label=lenet] .curves-of-net .trace")
    page.keyboard.press("Escape")
    assert page.locator(f"{ROWS}.faded").count() == 0
    assert page.evaluate("location.hash") == ""


def test_hovering_names_a_model_and_clicking_focuses_it(page):
    point = page.locator("#trade-off .trace .point").last
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    page.wait_for_selector("#trade-off .hoverlayer .hovertext")
    text = page.locator("#trade-off .hoverlayer .hovertext").text_content()
    assert "test accuracy 0." in text
    point.click(force=True)
    assert page.evaluate("state.get('focus')") in text


def test_the_legend_hides_a_model_from_all_plots(page):
    choose(page, "#against=parameters")
    assert page.get_by_label("what it is shown against").input_value() == "parameters"
    box = page.locator("#legend").get_by_label("lenet")
    box.uncheck()
    page.wait_for_function("document.querySelector('#curves').data.every(t => t.meta !== 'lenet')")
    for plot in PLOTS:
        shown = page.evaluate("id => document.getElementById(id).data.map(t => t.meta)", plot)
        assert "lenet" not in shown
        assert "resnet18" in shown
    assert page.evaluate("location.hash") == "#against=parameters&hidden=lenet"
    choose(page, "")
    assert box.is_checked()


def test_curves_show_seeds_and_their_mean(page):
    lines = """() => document.getElementById("curves").data
      .filter((trace) => trace.meta === "lenet").map((trace) => [trace.x, trace.y])"""
    *seeds, (epochs, mean) = page.evaluate(lines)
    assert (len(seeds), epochs) == (2, [1, 2, 3, 4])
    choose(page, "#curve=seconds")
    *seeds, (seconds, mean) = page.evaluate(lines)
    assert (seconds, mean) == ([10, 20], pytest.approx([0.3525, 0.705]))
    assert [y for _, y in seeds] == [[0.35, 0.7], [0.355, 0.71]]


def test_a_link_to_a_section_keeps_the_other_choices(page):
    choose(page, "#focus=lenet")
    page.get_by_role("navigation").get_by_text("Failures").click()
    assert page.evaluate("location.hash") == "#focus=lenet&section=failures"
    reload(page)
    assert page.locator("#failures h2").is_visible()
    assert page.evaluate("scrollY") > 0
    assert page.locator(f"{ROWS}.focused").count() == 1


def test_a_plot_is_saved_as_svg(page):
    with page.expect_download() as download:
        page.locator("#accuracy-figure .svg").click()
    assert download.value.suggested_filename == "accuracy.svg"
    assert "resnet18" in download.value.path().read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_page_within_its_width(page, scheme):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    choose(page, "#focus=lenet")
    page.wait_for_function("document.documentElement.scrollWidth === 390")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("state.get('theme')") == ("light" if scheme == "dark" else "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_paper(page, scheme):
    """WCAG 2.1, section 1.4.3: a contrast of at least 4.5."""
    page.emulate_media(color_scheme=scheme)
    contrast = """name => {
      const luminance = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).map((c) => c / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const [low, high] = [name, "--raised"].map(theme.color).map(luminance).sort();
      return (high + 0.05) / (low + 0.05);
    }"""
    for name in ("--ink", "--muted", "--accent", "--bad"):
        assert page.evaluate(contrast, name) >= 4.5, name


def test_every_control_has_a_name_and_every_section_a_heading(page):
    choose(page, "#focus=lenet")
    unnamed = """() => [...document.querySelectorAll("button, select, input")]
      .filter((e) => !(e.textContent.trim() || e.labels?.length || e.ariaLabel || e.title))
      .map((e) => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    for section in page.query_selector_all("main > section"):
        heading = page.query_selector(f"#{section.get_attribute('aria-labelledby')}")
        assert heading.evaluate("e => e.tagName") == "H2"
    levels = page.eval_on_selector_all("h1,h2,h3,h4", "es => es.map(e => Number(e.tagName[1]))")
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
