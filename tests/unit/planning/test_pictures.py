"""Pictures: what they show, that they are well-formed whatever the names, that nothing overlaps."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import node, relation, topologies, topology
from support.work import growth

from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.planning import generated_plan
from orchestrator.planning.pictures import (
    Graph,
    GraphNode,
    LineStyle,
    NodeKind,
    StepLook,
    plan_graph,
    to_dot,
    to_mermaid,
    to_png,
    to_svg,
    topology_graph,
)
from orchestrator.planning.pictures.layout import layered
from orchestrator.planning.pictures.style import shortened, text_width

HOSTILE = "<b>&\"'\\\n]]></svg><script>alert(1)</script>{{x}}|#;`\x07"
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def hostile() -> Topology:
    return topology(node(HOSTILE, "start", [relation(HOSTILE, "B")]), node("B"))


def test_topology_graph_shows_nodes_by_kind_and_relationships_by_requirement() -> None:
    job = NodeTemplate(
        "J", "x.PyCOMPSJob", ("x.PyCOMPSJob", "org.alien4cloud.nodes.Job"), relationships=(relation("r", "E"),)
    )
    site = NodeTemplate("E", "eflows4hpc.env.nodes.AbstractEnvironment", (), abstract=True)
    graph = topology_graph(topology(job, site))
    assert [(n.lines, n.kind, n.abstract) for n in graph.nodes] == [
        (("J", "PyCOMPSJob"), NodeKind.JOB, False),
        (("E", "AbstractEnvironment"), NodeKind.SITE, True),
    ]
    assert [(e.source, e.target, e.label) for e in graph.edges] == [("J", "E", "dependency")]
    shown = texts(to_svg(graph))
    assert {"sketch", "J", "PyCOMPSJob", "E", "AbstractEnvironment", "dependency", "job", "site"} <= set(shown)


def test_plan_graph_shows_states_of_steps() -> None:
    plan = generated_plan(topology(node("A", "start")), "install")
    graph = plan_graph(plan, {"A_initial": "done", "A_starting": "DONE", "A_start": "failed", "A_started": "void"})
    assert [n.look for n in graph.nodes] == [StepLook.DONE, StepLook.DONE, StepLook.FAILED, StepLook.WAITING]
    shown = texts(to_svg(graph))
    assert "workflow · 4 steps · 1 operation · 1 waiting · 2 done · 1 failed" in shown
    assert {"waiting", "done", "failed"} <= set(shown)
    assert {n.look for n in plan_graph(plan).nodes} == {None}


def test_edges_for_failures_are_told_apart() -> None:
    made = Plan(
        "w",
        tuple(PlanStep(name, StepKind.STATE, name, state="s") for name in "abc"),
        (Edge("a", "b"), Edge("a", "c", Outcome.FAILURE), Edge("b", "c", Outcome.CANCEL), Edge("a", "gone")),
    )
    graph = plan_graph(made)
    assert [(e.style, e.label) for e in graph.edges] == [
        (LineStyle.PLAIN, ""),
        (LineStyle.FAILURE, "on failure"),
        (LineStyle.CANCEL, "on cancel"),
    ]
    assert "stroke-dasharray" in to_svg(graph)


def test_hostile_names_stay_text() -> None:
    graph = topology_graph(hostile())
    root = ET.fromstring(to_svg(graph))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "rect", "text", "g", "path", "circle", "tspan"
    }  # fmt: skip
    assert any("<script>" in (element.text or "") for element in root.iter(f"{SVG}title"))
    tame = topology_graph(topology(node("A", "start", ["B"]), node("B")))
    mermaid = to_mermaid(graph)
    assert "<script>" not in mermaid
    assert mermaid.count("\n") == to_mermaid(tame).count("\n")
    dot = to_dot(graph)
    assert "\x07" not in dot
    assert dot.count("\n") == to_dot(tame).count("\n")


@given(st.text(max_size=60))
def test_any_name_gives_well_formed_pictures(name: str) -> None:
    graph = plan_graph(generated_plan(topology(node(name, "start")), "install"), {})
    ET.fromstring(to_svg(graph))
    unquoted = to_dot(graph).replace("\\\\", "").replace('\\"', "")
    assert unquoted.count('"') % 2 == 0


def test_long_names_are_shortened_in_the_middle_and_kept_as_tooltip() -> None:
    name = "Begin" + "x" * 200 + "End"
    svg = to_svg(topology_graph(topology(node(name))))
    (short,) = [text for text in texts(svg) if text.startswith("Begin")]
    assert short.endswith("End")
    assert "…" in short
    assert name in svg


@given(st.text(max_size=80), st.floats(20, 300))
def test_shortened_text_fits(text: str, width: float) -> None:
    short = shortened(text, 12, width)
    assert short == text or text_width(short, 12) <= width or len(short) <= 2


def test_picture_of_nothing_and_of_a_cycle() -> None:
    ET.fromstring(to_svg(Graph("nothing")))
    loop = topology(node("A", "", ["B", "A"]), node("B", "", ["A"]))
    svg = to_svg(topology_graph(loop))
    ET.fromstring(svg)
    assert {"A", "B"} <= set(texts(svg))
    ET.fromstring(to_svg(plan_graph(generated_plan(loop, "install"))))


@settings(deadline=None)
@given(topologies(most=14), st.booleans())
def test_boxes_do_not_overlap_and_lie_inside(made: Topology, wrap: bool) -> None:
    graph = plan_graph(generated_plan(made, "install")) if wrap else topology_graph(made)
    place = {n.id: index for index, n in enumerate(graph.nodes)}
    sizes = [(120.0 + 10 * (index % 5), 24.0 + 20 * (index % 2)) for index in range(len(graph.nodes))]
    layout = layered(sizes, [(place[e.source], place[e.target]) for e in graph.edges], gap=30, wrap=wrap)
    for index, ((x, y), (w, h)) in enumerate(zip(layout.centres, sizes, strict=True)):
        assert x - w / 2 >= -0.01
        assert x + w / 2 <= layout.width + 0.01
        assert y - h / 2 >= -0.01
        assert y + h / 2 <= layout.height + 0.01
        for (x2, y2), (w2, h2) in zip(layout.centres[:index], sizes, strict=False):
            assert abs(x - x2) >= (w + w2) / 2 - 0.01 or abs(y - y2) >= (h + h2) / 2 - 0.01


@settings(deadline=None)
@given(topologies(most=14), st.booleans())
def test_arrows_are_unbroken_from_box_to_box(made: Topology, wrap: bool) -> None:
    graph = plan_graph(generated_plan(made, "install"))
    place = {n.id: index for index, n in enumerate(graph.nodes)}
    pairs = [(place[e.source], place[e.target]) for e in graph.edges]
    layout = layered([(120.0, 40.0)] * len(place), pairs, gap=30, wrap=wrap)
    for (a, b), pieces in zip(pairs, layout.arrows, strict=True):
        assert all(p.points[-1] == q.points[0] for p, q in itertools.pairwise(pieces))
        (x1, y1), (x2, y2) = pieces[0].points[0], pieces[-1].points[-1]
        assert math.isclose(y1, layout.centres[a][1] + 20)
        assert math.isclose(y2, layout.centres[b][1] - 20)
        assert abs(x1 - layout.centres[a][0]) <= 60
        assert abs(x2 - layout.centres[b][0]) <= 60


def test_a_chain_is_straight_and_long_ones_are_wrapped() -> None:
    chain = [(index, index + 1) for index in range(59)]
    plain = layered([(200.0, 40.0)] * 60, chain, gap=30)
    assert len({round(x, 3) for x, _ in plain.centres}) == 1
    wrapped = layered([(200.0, 40.0)] * 60, chain, gap=30, wrap=True)
    assert 0.7 < wrapped.width / wrapped.height < 3


def test_the_work_of_drawing_a_large_topology_is_bounded() -> None:
    def drawing(count: int) -> Callable[[], object]:
        nodes = [node(f"n{i}", "", {"n0", f"n{i // 2}", f"n{max(i - 1, 0)}"} - {f"n{i}"}) for i in range(count)]
        made = topology(*nodes)

        def draw() -> None:
            assert to_svg(topology_graph(made)).count("<rect") > count

        return draw

    assert growth(drawing, 40) < 6, "with all the bends of long arrows, whose number is bounded"
    assert growth(drawing, 500) < 2.1


def test_dot_and_mermaid_hold_all_nodes_and_edges() -> None:
    graph = topology_graph(topology(node("A", "", ["B"]), node("B", abstract=True)))
    dot = to_dot(graph)
    assert dot.startswith('digraph "sketch" {')
    assert '"A" -> "B" [label="dependency"];' in dot
    assert '"A" [label="A\\nAny"' in dot
    mermaid = to_mermaid(graph)
    assert "flowchart TB" in mermaid
    assert '  n0 -->|"dependency"| n1' in mermaid
    assert "stroke-dasharray" in mermaid


def test_png_is_drawn_at_twice_the_size() -> None:
    graph = Graph("t", nodes=(GraphNode("a", ("a", "b"), NodeKind.JOB),))
    width = float(ET.fromstring(to_svg(graph)).attrib["width"])
    png = to_png(graph)
    assert png.startswith(b"\x89PNG\r\n")
    assert abs(int.from_bytes(png[16:20]) - 2 * width) <= 2
    assert to_png(to_svg(graph)) == png
