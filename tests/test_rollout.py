"""Attention roll-out finds the attention of a model by itself: held against weights computed by hand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import explorer

TOKENS, WIDTH, HEADS = 6, 8, 2
GIVEN = np.random.default_rng(0).normal(size=(3, 8, 12, 1)).astype(np.float32)


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def by_hand(blocks: list[NDArray[Any]]) -> NDArray[Any]:
    """What reaches all tokens of 2 × 3 through these attentions (batch, heads, tokens, tokens)."""
    found = np.eye(TOKENS)
    for weights in blocks:
        found = (weights.mean(axis=1) + np.eye(TOKENS)) / 2 @ found
    reached = found.mean(axis=1).reshape(-1, 2, 3)
    return reached / reached.sum(axis=(1, 2), keepdims=True)


def weights_by_hand(tokens: NDArray[Any], query: NDArray[Any], key: NDArray[Any]) -> NDArray[Any]:
    """Attention (batch, heads, tokens, tokens) of tokens (batch, tokens, width), without any framework.

    Projections are (width, heads, width of a head).
    """
    looking = np.einsum("btw,whd->bhtd", tokens, query)
    looked_at = np.einsum("btw,whd->bhtd", tokens, key)
    return softmax(np.einsum("bhqd,bhkd->bhqk", looking, looked_at) / np.sqrt(query.shape[-1]))


def held(model: explorer.Model, blocks: list[NDArray[Any]], named: str) -> None:
    found = explorer.saliency(model, GIVEN, method="rollout")
    assert found.coarse is not None
    np.testing.assert_allclose(found.coarse, by_hand(blocks), atol=2e-5)
    assert found.facts == {"blocks": len(blocks)}
    assert f"through {len(blocks)} blocks" in found.averaged
    assert named in found.averaged


def test_linen() -> None:
    from flax import linen as nn

    class Vit(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.Conv(WIDTH, (4, 4), (4, 4), name="patches")(x).reshape(len(x), TOKENS, WIDTH)
            for number in range(2):
                x = x + nn.MultiHeadDotProductAttention(HEADS, name=f"block{number}")(x, x)
            return nn.Dense(3)(x.mean(axis=1))

    variables = Vit().init(jax.random.key(0), GIVEN)
    model = explorer.load_model(Vit(), variables=variables, input_shape=(8, 12, 1))
    params = jax.tree.map(np.asarray, variables["params"])
    x, blocks = np.asarray(run_patches(params["patches"])), []
    for number in range(2):
        own = params[f"block{number}"]
        blocks.append(weights_by_hand(x, own["query"]["kernel"], own["key"]["kernel"]))
        values = np.einsum("btw,whd->bhtd", x, own["value"]["kernel"])
        mixed = np.einsum("bhqk,bhkd->bqhd", blocks[-1], values)
        x = x + np.einsum("bqhd,hdw->bqw", mixed, own["out"]["kernel"])
    held(model, blocks, "block0 to ")
    names = [info.name for info in model.layers()]
    assert not [name for name in names if "attention_weights" in name]  # nothing was added for it
    middle = explorer.saliency(model, GIVEN, method="rollout", channel=0, layer="block0")
    assert middle.facts == {"blocks": 1}  # no block behind the target
    assert middle.coarse is not None
    np.testing.assert_allclose(middle.coarse, by_hand(blocks[:1]), atol=2e-5)


def run_patches(params: Any) -> Any:
    from flax import linen as nn

    answered = nn.Conv(WIDTH, (4, 4), (4, 4)).apply({"params": params}, GIVEN)
    return np.asarray(answered).reshape(len(GIVEN), TOKENS, WIDTH)


def test_nnx() -> None:
    from flax import nnx

    class Vit(nnx.Module):
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.patches = nnx.Conv(1, WIDTH, (4, 4), (4, 4), rngs=rngs)
            self.first = nnx.MultiHeadAttention(HEADS, WIDTH, decode=False, rngs=rngs)
            self.second = nnx.MultiHeadAttention(HEADS, WIDTH, decode=False, rngs=rngs)
            self.head = nnx.Linear(WIDTH, 3, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            x = self.patches(x).reshape(len(x), TOKENS, WIDTH)
            x = self.second(self.first(x))
            return self.head(x.mean(axis=1))

    net = Vit()
    x = np.asarray(net.patches(GIVEN)).reshape(len(GIVEN), TOKENS, WIDTH)
    blocks = []
    for block in (net.first, net.second):
        blocks.append(weights_by_hand(x, np.asarray(block.query.kernel), np.asarray(block.key.kernel)))
        x = np.asarray(block(x))
    held(explorer.load_model(net, input_shape=(8, 12, 1)), blocks, "")


def plain(params: dict[str, Any], x: jax.Array) -> dict[str, jax.Array]:
    x = x.reshape(len(x), 2, 4, 3, 4).transpose(0, 1, 3, 2, 4).reshape(len(x), TOKENS, 16) @ params["patches"]
    for name in ("first", "second"):
        with jax.named_scope(name):
            own = params[name]
            scores = jnp.einsum("bqw,wv,bkv->bqk", x, own, x)
            x = x + jax.nn.softmax(scores, axis=-1) @ x
    return {"tokens": x, "scores": x.mean(axis=1)}


def test_plain_jax() -> None:
    rng = np.random.default_rng(1)
    shapes = {"patches": (16, WIDTH), "first": (WIDTH, WIDTH), "second": (WIDTH, WIDTH)}
    params = {name: rng.normal(size=shape).astype(np.float32) / 4 for name, shape in shapes.items()}
    x = GIVEN.reshape(3, 2, 4, 3, 4).transpose(0, 1, 3, 2, 4).reshape(3, TOKENS, 16) @ params["patches"]
    blocks = []
    for name in ("first", "second"):
        blocks.append(softmax(np.einsum("bqw,wv,bkv->bqk", x, params[name], x))[:, None])
        x = x + blocks[-1][:, 0] @ x
    model = explorer.load_model(plain, params=params, input_shape=(8, 12, 1))
    held(model, blocks, "softmax 1 to softmax 2")


@pytest.mark.parametrize("how", ["module", "functional", "softmax", "encoder"])
def test_torch(how: str) -> None:
    torch = pytest.importorskip("torch")
    nn, functional = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

        def forward(self, x: Any) -> Any:
            if how == "module":
                return self.inside(x, x, x, need_weights=False)[0]
            query, key, value = (
                part.reshape(len(x), TOKENS, HEADS, -1).transpose(1, 2)
                for part in (x @ self.inside.in_proj_weight.T).chunk(3, dim=-1)
            )
            if how == "functional":
                mixed = functional.scaled_dot_product_attention(query, key, value)
            else:
                scores = query @ key.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5
                mixed = scores.softmax(dim=-1) @ value
            return self.inside.out_proj(mixed.transpose(1, 2).reshape(x.shape))

    class Vit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(1, WIDTH, 4, 4)
            if how == "encoder":
                blocks = [nn.TransformerEncoderLayer(WIDTH, HEADS, 12, batch_first=True) for _ in range(2)]
            else:
                blocks = [Attention() for _ in range(2)]
            self.blocks = nn.ModuleList(blocks)
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x: Any) -> Any:
            x = self.patches(x).flatten(2).transpose(1, 2)
            for block in self.blocks:
                x = block(x)
            return self.head(x.mean(dim=1))

    torch.manual_seed(0)
    net = Vit().eval()
    blocks = []
    with torch.no_grad():
        x = net.patches(torch.from_numpy(GIVEN).movedim(-1, 1)).flatten(2).transpose(1, 2)
        for block in net.blocks:
            own = getattr(block, "self_attn", None) or block.inside
            own.in_proj_bias.zero_()
            query, key, _ = own.in_proj_weight.numpy().reshape(3, HEADS, -1, WIDTH).transpose(0, 3, 1, 2)
            blocks.append(weights_by_hand(x.numpy(), query, key))
            x = block(x)
    model = explorer.load_model(net, input_shape=(8, 12, 1))
    named = "blocks.0.self_attn to blocks.1.self_attn" if how == "encoder" else "blocks.0"
    held(model, blocks, named)
    hooks = [part for part in net.modules() if part._forward_hooks or part._forward_pre_hooks]
    assert not hooks
    kept = explorer.saliency(model, GIVEN, method="rollout", channel=0, layer="blocks.0")
    assert kept.facts == {"blocks": 1}


def test_equinox() -> None:
    eqx = pytest.importorskip("equinox")

    class Vit(eqx.Module):
        patches: Any
        blocks: list[Any]
        head: Any

        def __init__(self) -> None:
            keys = jax.random.split(jax.random.key(0), 4)
            self.patches = eqx.nn.Conv2d(1, WIDTH, 4, 4, key=keys[0])
            self.blocks = [eqx.nn.MultiheadAttention(HEADS, WIDTH, key=key) for key in keys[1:3]]
            self.head = eqx.nn.Linear(WIDTH, 3, key=keys[3])

        def __call__(self, x: Any) -> Any:
            x = self.patches(x).reshape(WIDTH, -1).T
            for block in self.blocks:
                x = block(x, x, x)
            return self.head(x.mean(axis=0))

    net = Vit()
    x = np.asarray(jax.vmap(net.patches)(np.moveaxis(GIVEN, -1, 1))).reshape(3, WIDTH, -1).transpose(0, 2, 1)
    blocks = []
    for block in net.blocks:
        query, key = (
            np.asarray(part.weight).reshape(HEADS, -1, WIDTH).transpose(2, 0, 1)
            for part in (block.query_proj, block.key_proj)
        )
        blocks.append(weights_by_hand(x, query, key))
        x = np.asarray(jax.vmap(block)(x, x, x))
    held(explorer.load_model(net, input_shape=(8, 12, 1)), blocks, "")


def test_what_is_no_self_attention_is_passed_over() -> None:
    def net(params: Any, x: Any) -> dict[str, Any]:
        rows = jax.nn.softmax(x[..., 0] @ params, axis=-1)  # (batch, 8, 12): others than those that look
        gates = jax.nn.softmax(x.reshape(len(x), -1)[:, :3] @ params[:3, :3], axis=-1)
        return {"rows": rows, "scores": gates}

    model = explorer.load_model(net, params=np.eye(12, dtype=np.float32), input_shape=(8, 12, 1))
    with pytest.raises(explorer.LayerError, match="no self-attention is found, which roll-out needs"):
        explorer.saliency(model, GIVEN, method="rollout")


def test_haiku() -> None:
    hk = pytest.importorskip("haiku")

    def forward(x: Any) -> Any:
        x = hk.Conv2D(WIDTH, 4, 4, name="patches")(x).reshape(len(x), TOKENS, WIDTH)
        for number in range(2):
            init = hk.initializers.VarianceScaling()
            x = hk.MultiHeadAttention(HEADS, WIDTH // HEADS, w_init=init, name=f"block{number}")(x, x, x)
        return hk.Linear(3)(x.mean(axis=1))

    net = hk.without_apply_rng(hk.transform(forward))
    params = net.init(jax.random.key(0), GIVEN)
    own = hk.without_apply_rng(
        hk.transform(lambda x: hk.Conv2D(WIDTH, 4, 4, name="patches")(x).reshape(len(x), TOKENS, WIDTH))
    )
    x, blocks = np.asarray(own.apply({"patches": params["patches"]}, GIVEN)), []
    for number in range(2):
        query, key, value = (
            np.asarray(params[f"block{number}/{part}"]["w"]).reshape(WIDTH, HEADS, -1)
            for part in ("query", "key", "value")
        )
        blocks.append(weights_by_hand(x, query, key))
        mixed = np.einsum("bhqk,bkhd->bqhd", blocks[-1], np.einsum("btw,whd->bthd", x, value))
        x = mixed.reshape(len(x), TOKENS, -1) @ np.asarray(params[f"block{number}/linear"]["w"])
    held(explorer.load_model(net, variables=params, input_shape=(8, 12, 1)), blocks, "")


def test_keras() -> None:
    keras = pytest.importorskip("keras")
    given = keras.Input((8, 12, 1))
    x = keras.layers.Reshape((TOKENS, WIDTH))(keras.layers.Conv2D(WIDTH, 4, 4)(given))
    tokens, parts = x, []
    for _ in range(2):
        parts.append(keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS))
        x = parts[-1](x, x)
    net = keras.Model(given, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(x)))
    x, blocks = np.asarray(keras.Model(given, tokens)(GIVEN)), []
    for part in parts:
        query, key = (np.asarray(one.kernel) for one in (part.query_dense, part.key_dense))
        blocks.append(weights_by_hand(x, query, key))
        x = np.asarray(part(x, x))
    held(explorer.load_model(net), blocks, "")
