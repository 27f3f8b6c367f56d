"""The stand-alone page in a real browser, without a network: folding, searching, stepping."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from autograd import Tensor, draw

from .browser import CHROMIUM, Browser
from .samples import neuron, stack, tangle


def test_the_page_is_one_file():
    html = draw(neuron()).to_html()
    assert not re.findall(r'(?:src|href)\s*=\s*"', html)
    assert "url(" not in html
    assert "import(" not in html
    assert html.count("<svg") >= 1  # a still picture, for readers without scripts
    model = re.search(r'<script type="application/json" id="model">(.*?)</script>', html, re.DOTALL)
    assert model
    data = json.loads(model[1])
    assert len(data["nodes"]) == len(neuron())


def test_names_cannot_break_the_page():
    graph = neuron()
    graph["z"].name = "</script><script>alert(1)</script>"
    html = draw(graph, title="<b>").to_html()
    assert "<script>alert" not in html
    assert "<h1>&lt;b&gt;</h1>" in html


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page's behaviour is not tested")
    try:
        browser = Browser()
    except (RuntimeError, OSError) as error:
        pytest.skip(f"Chromium does not start here ({error}): the page's behaviour is not tested")
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser, tmp_path):
    def open_page(drawing):
        path = tmp_path / "graph.html"
        drawing.save(path)
        browser.open(path)
        assert browser.errors == []
        return browser

    yield open_page
    assert browser.errors == []


def boxes(browser):
    """From id to the place of what is drawn, in the picture's own units."""
    return browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#stage .box')].map(b => {"
        "const r = [...b.querySelectorAll('.shape')].pop().getBBox();"
        "return [b.dataset.id, [r.x, r.y, r.width, r.height]]; }))"
    )


def marked(browser, mark):
    return set(
        browser.evaluate(f"[...document.querySelectorAll('.box.{mark}')].map(b => b.dataset.id)")
    )


@pytest.mark.parametrize("fold", [False, 0, 1, 2, None])
def test_the_page_lays_out_as_python_does(open_page, fold):
    for drawing in (draw(stack()[1], fold=fold), draw(tangle(30, 5), fold=fold, direction="both")):
        found = boxes(open_page(drawing))
        expected = {item.id: rect for item, rect in drawing.scene.boxes}
        assert found.keys() == expected.keys()
        for key, rect in expected.items():
            np.testing.assert_allclose(found[key], rect, atol=0.11, err_msg=key)


@pytest.mark.parametrize("fold", [False, 1])
def test_words_fit_into_their_boxes(open_page, fold):
    """With the fonts that this machine puts in the place of those asked for."""
    for drawing in (draw(stack()[1], fold=fold), draw(neuron(), direction="both")):
        browser = open_page(drawing)
        sticking_out = browser.evaluate(
            "[...document.querySelectorAll('.box')].flatMap(box => {"
            "const frame = [...box.querySelectorAll('.shape')].pop().getBBox();"
            "return [...box.querySelectorAll('text')].filter(text => {"
            "const t = text.getBBox();"
            "return t.x < frame.x + 2 || t.x + t.width > frame.x + frame.width - 2"
            "|| t.y < frame.y - 1 || t.y + t.height > frame.y + frame.height + 1;"
            "}).map(text => text.textContent); })"
        )
        assert sticking_out == []
        titles = browser.evaluate(
            "[...document.querySelectorAll('.frame-title')].map(title => {"
            "const frame = document.querySelector("
            '`.frame[data-code="${title.dataset.code}"] rect`).getBBox();'
            "return frame.x + frame.width - title.getBBox().x - title.getBBox().width; })"
        )
        assert all(room > 0 for room in titles)


def test_a_click_unfolds_and_folds(open_page):
    browser = open_page(draw(stack()[1], fold=1))
    before = boxes(browser)
    (group,) = [key for key in before if "…" in key]
    browser.click(f'.box[data-id="{group}"]')
    unfolded = boxes(browser)
    assert group not in unfolded
    assert {"model.1", "model.2", "model.3", "model.4"} <= unfolded.keys()
    browser.evaluate(
        "[...document.querySelectorAll('.frame-title')].find("
        "t => t.textContent.includes('Block ×4')).id = 'wanted'"
    )
    browser.click("#wanted")
    assert boxes(browser) == before


def test_fold_all_and_unfold_all(open_page):
    drawing = draw(stack()[1])
    browser = open_page(drawing)
    browser.click("#fold")
    assert len(boxes(browser)) < 6
    browser.click("#unfold")
    assert set(boxes(browser)) == set(drawing.figure.boxes)


def test_search_finds_inside_folded_modules_and_goes_there(open_page):
    browser = open_page(draw(stack()[1], fold=0))
    browser.type("#search", "tanh", enter=True)
    assert browser.evaluate("document.getElementById('hits').textContent") == "4 found"
    assert "tanh_1" in boxes(browser)
    assert marked(browser, "selected") == {"tanh_1"}
    centre = browser.evaluate(
        "(() => { const r = document.querySelector('.selected').getBoundingClientRect();"
        "const s = document.getElementById('stage').getBoundingClientRect();"
        "return [r.x + r.width / 2 - s.x - s.width / 2,"
        "r.y + r.height / 2 - s.y - s.height / 2]; })()"
    )
    assert np.abs(centre).max() < 3
    browser.key("Enter")
    assert marked(browser, "selected") == {"tanh_2"}


def test_search_by_shape_and_for_nothing(open_page):
    browser = open_page(draw(stack()[1], fold=False))
    browser.type("#search", "5x1")
    assert "linear_10" in marked(browser, "found")
    browser.type("#search", "nowhere")
    assert browser.evaluate("document.getElementById('hits').textContent") == "0 found"
    assert not marked(browser, "found")


def test_focus_on_ancestors_and_descendants(open_page):
    graph = neuron()
    browser = open_page(draw(graph, intermediates=False))
    browser.click('.box[data-id="sum_1"]')
    assert "id: sum_1" in browser.evaluate("document.getElementById('panel').textContent")
    browser.click('[data-focus="ancestors"]')
    kept = {node.id for node in graph.ancestors("sum_1")} | {"sum_1"}
    assert marked(browser, "dim") == {node.id for node in graph} - kept
    browser.click('[data-focus="descendants"]')
    kept = {node.id for node in graph.descendants("sum_1")} | {"sum_1"}
    assert marked(browser, "dim") == {node.id for node in graph} - kept
    browser.click('[data-focus="none"]')
    assert not marked(browser, "dim")


def test_stepping_forward_then_backward(open_page):
    graph = neuron()
    browser = open_page(draw(graph, intermediates=False))
    nodes = list(graph)
    for i, node in enumerate(nodes, 1):
        browser.click("#next")
        assert marked(browser, "active") == {node.id}
        assert marked(browser, "later") == {other.id for other in nodes[i:]}
        assert f"forward {i} of {len(nodes)}" == browser.evaluate(
            "document.getElementById('at').textContent"
        )
    order = sorted(
        (node for node in nodes if node.backward_step is not None), key=lambda n: n.backward_step
    )
    for node in order:
        browser.key("ArrowRight")
        assert marked(browser, "active") == {node.id}
    assert "backward 7 of 7" == browser.evaluate("document.getElementById('at').textContent")
    browser.key("ArrowLeft")
    assert marked(browser, "active") == {order[-2].id}
    browser.key("Escape")
    assert not marked(browser, "later")


def test_gradients_accumulate_where_a_value_is_used_again(open_page):
    graph = neuron()
    browser = open_page(draw(graph, intermediates=False))
    x = graph["x"]
    parts = [edge.gradient for edge in graph.edges if edge.source == x.id]
    assert len(parts) == 3
    text = f"[...document.querySelectorAll('.box[data-id=\"{x.id}\"] text.gradient')]"
    hidden = "getComputedStyle(t).visibility === 'hidden'"
    shown = f"{text}.map(t => {hidden} ? '' : t.textContent).join('')"
    seen = []
    for step in range(len(graph) + 8):
        browser.evaluate(
            f"(() => {{ const s = document.getElementById('step'); s.value = {step};"
            "s.dispatchEvent(new Event('input')); })()"
        )
        words = browser.evaluate(shown)
        if not seen or seen[-1] != words:
            seen.append(words)
    assert seen[0] == ""
    assert seen[1].startswith("2 of 3: [2 -4]")  # from x * x, both at once
    assert seen[-1] == "∂L/∂x = [2.125 -3.938]"


def pages():
    """Drawings that lack something the page could rely on."""
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    loss = (x * x).sum() + x.sum()
    loss.backward()
    yield draw(loss)  # nothing recorded
    yield draw(Tensor(1.0, requires_grad=True))  # a single box
    yield draw(lambda a: (a @ np.ones((5, 2))).sum(), np.ones((2, 3)))  # failed
    yield draw(lambda a: np.tanh(a).sum(), np.ones(40), edge_weight="gradient", direction="both")
    q, r = np.linalg.qr(Tensor(np.eye(2), requires_grad=True))
    yield draw(q, r, direction="backward")


@pytest.mark.parametrize("i", range(5))
def test_every_step_of_every_page(open_page, i):
    drawing = list(pages())[i]
    browser = open_page(drawing)
    assert boxes(browser).keys() == {item.id for item, _ in drawing.scene.boxes}
    for _ in range(2 * len(drawing.graph) + 2):
        browser.click("#next")
    assert browser.errors == []
    assert len(boxes(browser)) == len(drawing.scene.boxes)


def test_zoom_and_pan(open_page):
    browser = open_page(draw(neuron()))
    transform = "document.getElementById('world').getAttribute('transform')"
    scale = f"Number({transform}.match(/scale\\((.*)\\)/)[1])"
    before = browser.evaluate(scale)
    browser.wheel(400, 400, -300)
    assert browser.evaluate(scale) > before * 1.3
    at = browser.evaluate(transform)
    browser.drag((60, 700), (160, 650))
    x0, y0 = (float(v) for v in re.findall(r"translate\((.*?) (.*?)\)", at)[0])
    x1, y1 = (
        float(v) for v in re.findall(r"translate\((.*?) (.*?)\)", browser.evaluate(transform))[0]
    )
    assert (round(x1 - x0), round(y1 - y0)) == (100, -50)
    browser.click("#fit")
    rect = browser.evaluate(
        "(() => { const r = document.getElementById('world').getBoundingClientRect();"
        "const s = document.getElementById('stage').getBoundingClientRect();"
        "return [r.left - s.left, r.top - s.top, s.right - r.right, s.bottom - r.bottom]; })()"
    )
    assert min(rect) > -3


def test_directions_can_be_switched(open_page):
    browser = open_page(draw(neuron()))
    count = "document.querySelectorAll('.edge.{}').length"
    assert browser.evaluate(count.format("backward")) == 0
    browser.evaluate(
        "(() => { const d = document.getElementById('direction'); d.value = 'both';"
        "d.dispatchEvent(new Event('change')); })()"
    )
    assert browser.evaluate(count.format("backward")) == browser.evaluate(count.format("forward"))


def test_ten_thousand_nodes_open_folded_and_respond(open_page):
    import time

    drawing = draw(tangle(12_000))
    start = time.perf_counter()
    browser = open_page(drawing)
    assert time.perf_counter() - start < 60
    assert len(boxes(browser)) < 100
    first = next(iter(key for key in boxes(browser) if "#" in key))
    browser.click(f'.box[data-id="{first}"]')
    assert first not in boxes(browser)
