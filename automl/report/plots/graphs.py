"""Draws a candidate's graph as SVG text: layers from top to bottom, labels on nodes and edges, no colour needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    import networkx

MOST_NODES = 80
"""Beyond this a picture says less than a sentence."""

_CHARACTER, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 6.1, 24.0, 18.0, 30.0, 8.0
_LABEL_LENGTH = 22


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    label: str


def graph_svg(graph: networkx.DiGraph | None, title: str) -> Markup:
    """Returns one `<svg>` element, or empty text where there is no graph to draw.

    Args:
        graph: directed and acyclic; nodes and edges may have a `label`.
        title: read out by screen readers.
    """
    if graph is None or len(graph) == 0:
        return Markup("")
    if len(graph) > MOST_NODES:
        return Markup('<p class="quiet">{} nodes and {} edges: too many to draw.</p>').format(
            len(graph), graph.number_of_edges()
        )
    boxes = _place(graph)
    edges = sorted(graph.edges, key=lambda edge: abs(boxes[edge[1]].y - boxes[edge[0]].y))
    labels = [_short(str(graph.edges[edge].get("label", ""))) for edge in edges]
    return _write(boxes, _routes(boxes, edges, labels), labels, title)


def _place(graph: networkx.DiGraph) -> dict[Any, _Box]:
    """Layers by longest path from the sources, ordered inside by the mean place of what each node reads."""
    import networkx

    layer: dict[Any, int] = {}
    order = list(networkx.topological_sort(graph)) if networkx.is_directed_acyclic_graph(graph) else list(graph)
    for node in order:
        layer[node] = 1 + max((layer[source] for source in graph.predecessors(node) if source in layer), default=-1)
    rows: list[list[Any]] = [[] for _ in range(1 + max(layer.values()))]
    for node in order:
        rows[layer[node]].append(node)
    place: dict[Any, float] = {}
    for row in rows:
        wanted = {}
        for number, node in enumerate(row):
            above = [place[source] for source in graph.predecessors(node) if source in place]
            wanted[node] = sum(above) / len(above) if above else number - (len(row) - 1) / 2
        row.sort(key=lambda node: wanted[node])
        for number, node in enumerate(row):
            place[node] = number - (len(row) - 1) / 2
    has_labels = any(data.get("label") for _, _, data in graph.edges(data=True))
    step = _HEIGHT + _GAP_Y * (1.5 if has_labels else 1.0)
    boxes: dict[Any, _Box] = {}
    for depth, row in enumerate(rows):
        texts = [_short(str(graph.nodes[node].get("label", node))) for node in row]
        widths = [max(30.0, 16 + 1.12 * _CHARACTER * len(text)) for text in texts]
        gap = max(_GAP_X, _room(graph, row) - min(widths))
        x = -(sum(widths) + gap * (len(row) - 1)) / 2
        for node, text, width in zip(row, texts, widths, strict=True):
            boxes[node] = _Box(x + width / 2, depth * step, width, text)
            x += width + gap
    return boxes


def _room(graph: networkx.DiGraph, row: list[Any]) -> float:
    """Returns how far apart neighbours of a row must be for labels half-way along their edges not to meet."""
    ends = set(row)
    labels = [str(data.get("label", "")) for source, target, data in graph.edges(data=True) if {source, target} & ends]
    return 4 * max((_half(_short(label)) for label in labels), default=0.0) + 6 if len(row) > 1 and any(labels) else 0.0


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    x: float
    y: float


@dataclass
class _Taken:
    """Rectangles (x, y, half width, half height) that labels and bows must keep clear of."""

    areas: list[tuple[float, float, float, float]]
    bows: list[tuple[float, float, float]]  # side, upper end, lower end

    def beside(self, side: float, upper: float, lower: float) -> int:
        """Returns how many bows on one side run along this stretch."""
        return sum(one == side and top < lower and upper < bottom for one, top, bottom in self.bows)

    def clear(self, side: float, y: float, half: float, inner: float) -> float:
        """Returns how far out on one side a label of this half width fits, at least `inner`."""
        reach, moved = inner, True
        while moved:
            moved = False
            for ax, ay, width, height in self.areas:
                x = side * reach
                if abs(y - ay) < height + 9 and abs(x - ax) < width + half + 5:
                    reach, moved = side * ax + width + half + 5.01, True
        return reach


def _routes(boxes: Mapping[Any, _Box], edges: list[Any], labels: list[str]) -> list[_Route]:
    """A straight line where nothing is between, else a bow round it, on the side with more room."""
    taken = _Taken([(box.x, box.y, box.width / 2, _HEIGHT / 2) for box in boxes.values()], [])
    routes = []
    for (source, target), label in zip(edges, labels, strict=True):
        start, end, half = boxes[source], boxes[target], _half(label)
        x0, y0, x1, y1 = start.x, start.y + _HEIGHT / 2, end.x, end.y - _HEIGHT / 2
        between = [box for box in boxes.values() if y0 < box.y < y1 and _is_on_the_way(box, start, end)]
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        if not between or y1 <= y0:
            bend = 0.0 if between or abs(x1 - x0) < 1 else (y1 - y0) / 2
            path = f"M{x0:.1f} {y0:.1f}C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
        else:
            reaches = {}
            for side in (-1.0, 1.0):
                inner = max(box.width / 2 + side * box.x for box in (start, end, *between)) + 12 + 10 * len(between)
                reaches[side] = taken.clear(side, y, max(half, 4.0), inner)
            crowd = {side: 40.0 * taken.beside(side, y0, y1) for side in reaches}
            side = min(reaches, key=lambda one: reaches[one] + crowd[one])
            taken.bows.append((side, y0, y1))
            x = side * reaches[side]
            path = (
                f"M{x0 + side * start.width / 4:.1f} {y0:.1f}"
                f"C{x:.1f} {y0 + 8:.1f} {x:.1f} {y0 + 12:.1f} {x:.1f} {y:.1f}"
                f"S{x:.1f} {y1 - 8:.1f} {x1 + side * end.width / 4:.1f} {y1:.1f}"
            )
        taken.areas.append((x, y, max(half, 4.0), 8.0 if label else 4.0))
        routes.append(_Route(path, x, y))
    return routes


def _is_on_the_way(box: _Box, start: _Box, end: _Box) -> bool:
    at = start.x + (end.x - start.x) * (box.y - start.y) / (end.y - start.y)
    return abs(box.x - at) < box.width / 2 + 6


def _half(label: str) -> float:
    return _CHARACTER * len(label) / 2 + 4 if label else 0.0


def _write(boxes: Mapping[Any, _Box], routes: list[_Route], labels: list[str], title: str) -> Markup:
    left = min(box.x - box.width / 2 for box in boxes.values())
    right = max(box.x + box.width / 2 for box in boxes.values())
    for route, label in zip(routes, labels, strict=True):
        half = _half(label)
        left, right = min(left, route.x - half), max(right, route.x + half)
    top, bottom = -_HEIGHT / 2, max(box.y for box in boxes.values()) + _HEIGHT / 2
    width, height = right - left + 2 * _MARGIN, bottom - top + 2 * _MARGIN
    parts = [
        f'<svg class="graph" viewBox="{left - _MARGIN:.0f} {top - _MARGIN:.0f} {math.ceil(width)} {math.ceil(height)}" '
        f'width="{math.ceil(width)}" role="img"><title>{escape(title)}</title>'
    ]
    parts += [f'<path class="edge" d="{route.path}"/>{_arrow(route)}' for route in routes]
    for route, label in zip(routes, labels, strict=True):
        if label:
            half = _half(label)
            parts.append(
                f'<rect class="tag" x="{route.x - half:.1f}" y="{route.y - 8:.1f}" width="{2 * half:.1f}" height="16" '
                'rx="3"/>'
                f'<text class="edge-label" x="{route.x:.1f}" y="{route.y + 3.6:.1f}">{escape(label)}</text>'
            )
    for box in boxes.values():
        parts.append(
            f'<rect class="node" x="{box.x - box.width / 2:.1f}" y="{box.y - _HEIGHT / 2:.1f}" width="{box.width:.1f}" '
            f'height="{_HEIGHT:.0f}" rx="6"/><text x="{box.x:.1f}" y="{box.y + 4:.1f}">{escape(box.label)}</text>'
        )
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every label was escaped above


def _arrow(route: _Route) -> str:
    """A small head at the path's end, drawn as a shape of its own: markers would need ids, which must be unique."""
    numbers = route.path.replace("M", " ").replace("C", " ").replace("S", " ").split()
    x, y = float(numbers[-2]), float(numbers[-1])
    bx, by = float(numbers[-4]), float(numbers[-3])
    if abs(bx - x) < 0.05 and abs(by - y) < 0.05:
        bx, by = float(numbers[0]), float(numbers[1])
    length = math.hypot(x - bx, y - by) or 1.0
    ux, uy = (x - bx) / length, (y - by) / length
    points = [(x, y), (x - 7 * ux - 3.5 * uy, y - 7 * uy + 3.5 * ux), (x - 7 * ux + 3.5 * uy, y - 7 * uy - 3.5 * ux)]
    return '<polygon class="head" points="' + " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>'


def _short(label: str) -> str:
    return label if len(label) <= _LABEL_LENGTH else label[: _LABEL_LENGTH - 1] + "…"
