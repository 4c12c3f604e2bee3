"""onnxruntime sessions over a cut of a graph: several tensors in one run, nothing else computed.

How far onnxruntime may rewrite the graph: a tensor that is an output of the session is never fused
away, so whatever level is chosen, what comes out is the tensor that the file names. Between two
outputs rewriting changes the order of float32 sums, by about 1e-6, and is worth its speed: the values
are then computed as onnxruntime computes the model's own output. Where tensors are rounded to few
bits (quantised, bfloat16, float16) a last-bit difference becomes a whole step, and steps would depend
on which other layers are asked for; such graphs are run exactly as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from explorer.errors import ExplorerError, ModelError

from .limits import first_line, processors
from .onnx_file import GraphFile
from .onnx_nodes import Graph, opset
from .onnx_widen import GIVEN, widened

FOLDER = "session.model_external_initializers_file_folder_path"
MOST_SESSIONS = 4
"""Sessions kept for other sets of layers: each holds its own packed copy of some weights."""
ROUNDING = frozenset({"QuantizeLinear", "DynamicQuantizeLinear"})


class Sessions:
    """The sessions of one model; its weights are in memory once for all of them."""

    def __init__(self, file: GraphFile, graph: Graph) -> None:
        import onnxruntime

        self.where = str(file.path)
        self._graph = graph
        types = {tensor.name: tensor.data_type for tensor in file.model.graph.initializer}
        self._file = file
        self._weights = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, types[name])
            for name, array in file.weights.items()
            if name not in file.mapped
        }
        self._made: dict[tuple[str, ...], Any] = {}
        self.threads = processors()
        self.as_written = _rounds(graph)

    def run(
        self,
        outputs: Mapping[str, Any],
        feeds: Mapping[str, NDArray[Any]],
        types: Mapping[str, int],
        *,
        keep: bool = True,
    ) -> dict[str, Any]:
        """The values of tensors of the graph.

        Args:
            outputs: tensors asked for, each with None or the node that is to be put behind it; that
                node's output is then what is answered.
            feeds: values of the model's inputs; those that are not needed are left out.
            types: ONNX element types of the graph's tensors, as far as they are known.
            keep: whether the same will be asked for again.

        Raises:
            ModelError: onnxruntime cannot make or run the graph; one line says why.
        """
        key = tuple(outputs)  # what is put behind a tensor is always the same
        with named(self.where):
            session, names = self._made.get(key) or self._make(outputs, types)
            if keep and key not in self._made:
                while len(self._made) >= MOST_SESSIONS:
                    self._made.pop(next(iter(self._made)))
                self._made[key] = session, names
            wanted = {value.name for value in session.get_inputs()}
        given = dict(feeds) | {name + GIVEN: value for name, value in feeds.items()}
        with named(self.where, f" (for {_shapes(feeds)})"):
            values = session.run(names, {name: given[name] for name in wanted})
        return dict(zip(outputs, values, strict=True))

    def check(self, outputs: Sequence[str], types: Mapping[str, int]) -> None:
        """Have onnxruntime read the graph without preparing it to run.

        Raises:
            ModelError: it cannot; one line says why.
        """
        with named(self.where):
            self._make(dict.fromkeys(outputs), types, light=True)

    def _make(self, outputs: Mapping[str, Any], types: Mapping[str, int], *, light: bool = False) -> Any:
        import onnxruntime

        added = [node for node in outputs.values() if node is not None]
        model = self._graph.cut(list(dict.fromkeys([*outputs, *(n for node in added for n in node.input)])))
        model = widened(model, types)
        names = [name if node is None else node.output[0] for name, node in outputs.items()]
        model.graph.node.extend(added)
        del model.graph.output[:]
        for name in dict.fromkeys(names):
            model.graph.output.add().name = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong arrives as an exception
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if light:
            options.add_session_config_entry("session.disable_prepacking", "1")
        levels = onnxruntime.GraphOptimizationLevel
        plain = light or self.as_written
        options.graph_optimization_level = levels.ORT_DISABLE_ALL if plain else levels.ORT_ENABLE_ALL
        held = [t.name for t in model.graph.initializer if t.name in self._weights]
        if self._file.mapped:
            self._file.check_unchanged()
            options.add_session_config_entry(FOLDER, str(self._file.folder))
        if held:
            options.add_external_initializers(held, [self._weights[name] for name in held])
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        return session, names


def _rounds(graph: Graph) -> bool:
    """Whether the graph rounds to few bits on its way."""
    from onnx import TensorProto

    few = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    weights = (tensor.data_type for tensor in graph.initializers.values())
    inputs = (value.type.tensor_type.elem_type for value in graph.inputs.values())
    casts = (entry.i for node in graph.nodes if node.op_type == "Cast" for entry in node.attribute)
    return any(node.op_type in ROUNDING for node in graph.nodes) or any(
        kind in few for kinds in (weights, inputs, casts) for kind in kinds
    )


@contextmanager
def named(where: str, what: str = "") -> Iterator[None]:
    """Turn whatever onnxruntime raises into one line that names the file, and what it was given."""
    try:
        yield
    except ExplorerError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise ModelError(f"{where}: {_plain(error)}{what}") from None


def _shapes(feeds: Mapping[str, NDArray[Any]]) -> str:
    """Every input and its shape, in words."""
    return ", ".join(f"{name} of {' × '.join(map(str, value.shape)) or 1}" for name, value in feeds.items())


def _plain(error: Exception) -> str:
    """The message of onnxruntime without its codes, file names and signatures."""
    import onnxruntime

    version = onnxruntime.__version__
    text = first_line(error)
    foreign = re.search(r"([\w.]*):(\w+)\(-?\d+\) is not a registered", text)
    unknown = re.search(r"No Op registered for (\w+) with domain_version", text)
    if foreign or unknown:
        domain, name = foreign.groups() if foreign else ("", unknown.group(1) if unknown else "")
        return f"operator {domain or 'ai.onnx'}.{name} is not known to this onnxruntime ({version})"
    whole = str(error)
    newer = re.search(r"Opset (\d+) is under development", whole)
    if newer:
        known = re.search(r"till opset (\d+)", whole)
        most = f", which goes up to {known.group(1)}" if known else ""
        return f"is written for opset {newer.group(1)}, not known to this onnxruntime ({version}){most}"
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", " ".join(whole.split()))
    text = re.sub(r"/onnxruntime_src/\S+:\d+ .*?\) (?=[A-Z{\w])", "", text)
    return f"onnxruntime {version}: {text[:280]}"


def runtime_facts(sessions: Sessions, graph: Graph) -> dict[str, Any]:
    """What a run's manifest says of how values were computed."""
    import onnxruntime

    return {
        "onnxruntime": onnxruntime.__version__,
        "provider": "CPUExecutionProvider",
        "threads": sessions.threads,
        "optimisation": "none: the graph rounds to few bits" if sessions.as_written else "all",
        "opset": opset(graph.model),
    }
