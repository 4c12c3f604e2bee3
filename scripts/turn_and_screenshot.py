"""Turn the cloud of a run and export a screenshot from each side, without a screen.

    python turn_and_screenshot.py runs/my-network --views 8 --out pictures

The run folder is what `activation-explorer capture` or `explorer.capture` wrote.
"""

import argparse
import math
from pathlib import Path

import explorer


def turned(camera: dict, angle: float) -> dict:
    """The same camera carried round its focal point by `angle` radians, about the vertical of the view."""
    position, focus, up = camera["position"], camera["focal_point"], camera["view_up"]
    length = math.hypot(*up)
    axis = [value / length for value in up]
    arm = [p - f for p, f in zip(position, focus, strict=True)]
    # Rodrigues' rotation: the part along the axis stays, the rest turns.
    along = sum(a * b for a, b in zip(axis, arm, strict=True))
    cross = [
        axis[1] * arm[2] - axis[2] * arm[1],
        axis[2] * arm[0] - axis[0] * arm[2],
        axis[0] * arm[1] - axis[1] * arm[0],
    ]
    cosine, sine = math.cos(angle), math.sin(angle)
    moved = [focus[i] + arm[i] * cosine + cross[i] * sine + axis[i] * along * (1 - cosine) for i in range(3)]
    return {**camera, "position": moved}


def main() -> None:
    """Parse the arguments and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--layer", help="layer, where the run has several")
    parser.add_argument("--method", default="pca", choices=["pca", "tsne", "umap"])
    parser.add_argument("--views", type=int, default=8, help="pictures on a full turn")
    parser.add_argument("--size", type=int, nargs=2, default=[1600, 900], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    arguments = parser.parse_args()

    run = explorer.open_run(arguments.run)
    projection = explorer.project(run, layer=arguments.layer, method=arguments.method, random_state=0)
    scene = explorer.scene(run, projection)
    start = scene.camera
    arguments.out.mkdir(parents=True, exist_ok=True)
    for view in range(arguments.views):
        camera = turned(start, 2 * math.pi * view / arguments.views)
        path = arguments.out / f"view-{view:02d}.png"
        print(scene.screenshot(path, size=tuple(arguments.size), camera=camera))
    # The camera can be kept and used again: scene.load_camera("camera.json").
    scene.save_camera(arguments.out / "camera.json")


if __name__ == "__main__":
    main()
