"""What the window's buttons say and what their lists hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.render.drawing.text import count, number
from explorer.render.linked.near import find_images, typical
from explorer.render.linked.selection import HOWS
from explorer.render.linked.words import method_name
from explorer.render.window import atlases, colour_menus, exports_menu, tasks, views_menu
from explorer.render.window.maps import Choice, choices, layers_of
from explorer.render.window.maps_view import ORDERS
from explorer.render.window.tools import TOOLS
from explorer.render.window.widgets import Button, Item

if TYPE_CHECKING:
    from explorer.render.window.controls import Controls

MOST_FOUND = 200
HOW_WORDS = {
    "replace": ("Replace", "what was selected"),
    "add": ("Add", "shift"),
    "remove": ("Remove", "ctrl"),
    "keep": ("Keep common", "only what is in both"),
}


def buttons(controls: Controls) -> tuple[Button, ...]:
    """The bar, from the left; the last one holds what finds no room."""
    scene, state = controls.scene, controls.scene.state
    found = [
        Button("map", f"{method_name(state.projection.method)} {state.projection.n_components}D", opens=True)
    ]
    if len(layers_of(state.run)) > 1:
        found.append(Button("layer", state.values.layer, opens=True))
    found.append(Button("beside", "Beside", opens=True, lit=scene.twin is not None))
    found.append(Button("maps", "Maps", opens=True, lit=controls.maps is not None))
    found.append(Button("colour", f"Colour: {colour_menus.shown(state.colour)}", opens=True))
    if scene.colouring().names:
        found.append(Button("classes", "Classes", opens=True, lit=bool(state.hidden.get(state.colour))))
    found.append(Button("palette", "Palette", opens=True))
    found.append(Button("size", "Size", opens=True, lit=state.size is not None))
    for index, tool in enumerate(TOOLS):
        found.append(Button(tool, tool.capitalize(), lit=controls.tool == tool, gap=not index))
    found.append(Button("how", HOW_WORDS[controls.how][0], opens=True))
    found.append(Button("visible", "Only seen", lit=controls.visible))
    found.append(Button("clear", "Clear"))
    found.append(Button("find", "Find", opens=True, gap=True))
    found.append(Button("views", "Views", opens=True))
    found.append(Button("export", "Export", opens=True))
    found.append(Button("flat", "3D" if scene.flat and not scene.cloud.flat else "2D", gap=True))
    found.append(Button("theme", "Light" if scene.theme == "dark" else "Dark"))
    found.append(Button("help", "?"))
    found.append(Button("more", "More", opens=True))
    return tuple(found)


def menu(controls: Controls, name: str) -> tuple[Item, ...]:
    """The lines of a button's list; empty for a button that opens none."""
    make = MENUS.get(name)
    return () if make is None else tuple(make(controls))


def _map(controls: Controls) -> list[Item]:
    state = controls.scene.state
    now = (state.projection.method, state.projection.n_components)
    return [
        Item(
            f"{method_name(choice.method)} {choice.n_components}D",
            partial(controls.show_map, choice),
            chosen=(choice.method, choice.n_components) == now,
            detail="" if choice.folder is not None else "to be made",
        )
        for choice in choices(state.run, state.values.layer)
    ] or [Item("this run keeps no other map", None)]


def _maps(controls: Controls) -> list[Item]:
    """All maps of the picture at once, in one order or another."""
    shown = None if controls.maps is None else controls.maps.order
    return [
        Item("All maps of this image", None),
        *(
            Item(words, partial(controls.show_maps, order), chosen=order == shown)
            for order, words in ORDERS.items()
        ),
        *atlases.atlas_items(controls),
        *tasks.asking_items(controls),
    ]


def _layer(controls: Controls) -> list[Item]:
    state, found = controls.scene.state, []
    key = (state.projection.method, state.projection.n_components)
    for layer in layers_of(state.run):
        kept = choices(state.run, layer)
        choice = next((one for one in kept if (one.method, one.n_components) == key), Choice(layer, "pca", 3))
        grid = " × ".join(map(str, state.run.grid_shape(layer)[1:])) or "no positions"
        words = grid if choice.folder is not None else f"{grid} · to be made"
        here = layer == state.values.layer
        found.append(Item(layer, partial(controls.show_map, choice), chosen=here, detail=words))
    return found


def _beside(controls: Controls) -> list[Item]:
    """Maps for the other half of the window: of this layer by other methods, and of other layers."""
    scene, state = controls.scene, controls.scene.state
    shown, other = state.projection, scene.beside
    found = [Item("One map alone", controls.stand_alone, chosen=other is None)]
    for layer in layers_of(state.run) or (shown.layer,):
        kept = [
            choice
            for choice in choices(state.run, layer)
            if (choice.layer, choice.method, choice.n_components)
            != (shown.layer, shown.method, shown.n_components)
        ]
        found += [Item(layer, None)] if kept else []
        for choice in kept:
            key = (choice.layer, choice.method, choice.n_components)
            now = other is not None and key == (other.layer, other.method, other.n_components)
            found.append(
                Item(
                    f"{method_name(choice.method)} {choice.n_components}D",
                    partial(controls.show_map, choice, beside=True),
                    chosen=now,
                    detail="" if choice.folder is not None else "to be made",
                )
            )
    return found if len(found) > 1 else [*found, Item("this run keeps no other map", None)]


def _how(controls: Controls) -> list[Item]:
    words = HOW_WORDS

    def choose(how: str) -> None:
        controls.how = how

    lines = [
        Item(words[how][0], partial(choose, how), chosen=controls.how == how, detail=words[how][1])
        for how in HOWS
    ]
    lines.append(Item("Select at once", None))
    lines += [
        Item("everything shown", partial(controls.select_shown, whole=True)),
        Item("this image", partial(controls.select_shown, whole=False)),
        Item("the others instead", controls.invert),
    ]
    if controls.scene.focus is not None:
        lines += [
            Item(f"similar to the ring, at least {least}", partial(controls.select_similar, least))
            for least in (0.9, 0.8, 0.7)
        ]
    return lines


def found_images(controls: Controls, query: str) -> list[Item]:
    """Pictures that a typed text finds; of none, the most typical and the oddest of the shown class."""
    scene, state = controls.scene, controls.scene.state

    def show(image: int) -> None:
        scene.image = image

    def line(image: int, detail: str) -> Item:
        name = state.run.image_names[image]
        return Item(name, partial(show, image), chosen=image == state.image, detail=detail)

    if query:
        found = find_images(state, query)
        items = [line(image, state.label(image) or "") for image in found[:MOST_FOUND]]
        if len(found) > MOST_FOUND:
            items.append(Item(f"and {count(len(found) - MOST_FOUND)} more: type more letters", None))
        return items or [Item("no picture has that in its name or label", None)]
    label = state.label(state.image)
    try:
        ranked = typical(state, label)
    except InputError as error:
        return [Item(str(error), None)]
    of = "all pictures" if label is None else f"label {label}"
    few = [line(image, f"{number(apart, 2)} from the mean") for image, apart in ranked]
    half = min(8, max(1, len(few) // 2))
    return [
        Item(f"Most typical of {of}", None),
        *few[:half],
        Item(f"Oddest of {of}", None),
        *reversed(few[-half:]),
    ]


def _find(controls: Controls) -> list[Item]:
    return found_images(controls, "")


def _more(controls: Controls) -> list[Item]:
    """The buttons that found no room."""
    seen = {placed.button.name for placed in controls.placed()}
    return [
        Item(
            button.text,
            partial(controls.push, button.name),
            chosen=button.lit,
            detail="list" if button.opens else "",
        )
        for button in buttons(controls)[:-1]
        if button.name not in seen
    ]


SEARCHES = {
    "find": (found_images, "type a name or a label"),
    "views": (views_menu.found_views, "type a file's name or path"),
    "channel": (colour_menus.found_channels, "type a number"),
}
MENUS: dict[str, Callable[[Controls], list[Item]]] = {
    "map": _map,
    "maps": _maps,
    "saliency": tasks.saliency_items,
    "saliency-all": partial(tasks.saliency_items, every=True),
    "layer": _layer,
    "beside": _beside,
    "colour": colour_menus.colour_items,
    "channel": colour_menus.channel_items,
    "classes": colour_menus.class_items,
    "palette": colour_menus.palette_items,
    "size": colour_menus.size_items,
    "how": _how,
    "find": _find,
    "views": views_menu.items,
    "export": exports_menu.items,
    "more": _more,
}
