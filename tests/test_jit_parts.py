"""A batch computed in parts at once answers what it answers whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import explorer

jit_parts = pytest.importorskip("explorer.adapters.jit_parts")


def weighed(weights: jax.Array, inputs: jax.Array, other: jax.Array) -> jax.Array:
    return jnp.sin(inputs @ weights) * other


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_parts_answer_what_the_whole_answers_in_its_order(parts: int) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 5)).astype(np.float32)
    inputs = random.normal(size=(6, 4)).astype(np.float32)
    other = random.normal(size=(6, 5)).astype(np.float32)
    answers = jit_parts.InParts(jax.jit(weighed))(weights, (inputs, other), parts)
    np.testing.assert_allclose(answers, np.sin(inputs @ weights) * other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "expected"), [(1, 1), (2, 1), (3, 1), (4, 2), (7, 3), (8, 4), (64, 4)])
def test_there_are_as_many_parts_as_cores_of_at_least_two_inputs(
    batch: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit_parts, "processors", lambda: 4)
    assert jit_parts.parts_of(batch) == expected


def test_an_accelerator_takes_a_batch_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert jit_parts.parts_of(64) == 1


@pytest.mark.parametrize("batch", [1, 5, 8])
def test_gradients_do_not_depend_on_the_number_of_cores(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def network(params: dict[str, jax.Array], x: jax.Array) -> dict[str, jax.Array]:
        return {"last": jnp.tanh(x @ params["w"]).sum(axis=(1, 2))}

    random = np.random.default_rng(0)
    params = {"w": random.normal(size=(3, 4)).astype(np.float32)}
    inputs = random.normal(size=(batch, 8, 8, 3)).astype(np.float32)
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(jit_parts, "processors", lambda cores=cores: cores)
        adapter = explorer.load_model(network, params=params, input_shape=(8, 8, 3)).adapter
        found.append(adapter.gradient(inputs, "last", np.ones((batch, 4), np.float32)))  # type: ignore[attr-defined]
    assert found[0].shape == inputs.shape
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)


def test_what_fails_in_one_part_is_raised() -> None:
    def fails(value: np.ndarray) -> np.ndarray:
        if value.max() > 3:
            raise ValueError("no such picture")
        return value

    def function(weights: jax.Array, inputs: jax.Array) -> jax.Array:
        return weights * jax.pure_callback(fails, jax.ShapeDtypeStruct(inputs.shape, inputs.dtype), inputs)

    called = jit_parts.InParts(jax.jit(function))
    inputs = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(called(np.float32(2), (inputs / 2,), 3), inputs)
    with pytest.raises(Exception, match="no such picture"):
        called(np.float32(2), (inputs,), 3)
