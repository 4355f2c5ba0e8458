"""Small drawings of graphs as SVG: layers from left to right, labels on nodes and edges, every text escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx

_STEP_X, _STEP_Y, _MARGIN = 150, 70, 50


def drawing(picture: networkx.DiGraph | None) -> str:
    """Returns an SVG element of an acyclic graph whose nodes and edges have a `label`, or nothing where there is no
    graph.
    """
    if picture is None or not len(picture):
        return ""
    import networkx

    if not networkx.is_directed_acyclic_graph(picture):
        return ""
    layers = [sorted(layer, key=str) for layer in networkx.topological_generations(picture)]
    tallest = max(map(len, layers))
    place = {
        node: (_MARGIN + _STEP_X * column, _MARGIN + _STEP_Y * (row + (tallest - len(layer)) / 2))
        for column, layer in enumerate(layers)
        for row, node in enumerate(layer)
    }
    # edges that skip layers are bowed, so that they do not run through the nodes between
    parts = []
    for number, (source, target, data) in enumerate(picture.edges(data=True)):
        (x1, y1), (x2, y2) = place[source], place[target]
        bow = 0.0 if x2 - x1 <= _STEP_X else (-1) ** number * 0.22 * (x2 - x1)
        middle = ((x1 + x2) / 2, (y1 + y2) / 2 + bow)
        parts.append(
            f'<path d="M{x1:.0f} {y1:.0f} Q{middle[0]:.0f} {middle[1] + bow:.0f} {x2:.0f} {y2:.0f}" '
            'fill="none" stroke="#8a94a0"/>'
            f'<text x="{middle[0]:.0f}" y="{middle[1] - 4:.0f}" font-size="10" text-anchor="middle" fill="#44505c">'
            f"{html.escape(str(data.get('label', '')))}</text>"
        )
    for node, (x, y) in place.items():
        label = html.escape(str(picture.nodes[node].get("label", node)))
        parts.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="6" fill="#2f6f9f"/>'
            f'<text x="{x:.0f}" y="{y - 10:.0f}" font-size="11" text-anchor="middle" fill="#1b1f24">{label}</text>'
        )
    wide, high = 2 * _MARGIN + _STEP_X * (len(layers) - 1), 2 * _MARGIN + _STEP_Y * (tallest - 1) + _STEP_X
    top = -_STEP_X / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {top:.0f} {wide} {high}" width="{wide}" '
        'font-family="sans-serif">'
        f"{''.join(parts)}</svg>"
    )
