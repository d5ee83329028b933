"""A causal transformer: what it makes of a token depends on those before it (GPT-2's blocks)."""

import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn

GROWN = 4  # How much wider a block is inside.


class CausalBlock(nn.Module):
    """Attention to all tokens up to one's own, then an MLP; both normalise first and add.

    Args:
        width: Numbers of a token; the heads divide it.
        heads: Of the attention.
        dropout: Of attention's weights, and of what either part adds.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.mixing = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.Linear(width, GROWN * width),
            nn.Mish(),
            nn.Linear(GROWN * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Float[Tensor, "batch token width"]) -> Tensor:
        """Change every token by those up to it."""
        parts = self.attention(self.before_attention(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # Each batch, head, token, number.
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        tokens = tokens + self.mixing(seen.transpose(1, 2).flatten(2))
        changed: Tensor = tokens + self.mlp(self.before_mlp(tokens))
        return changed


class CausalTransformer(nn.Module):
    """Blocks behind each other, and a last normalisation.

    Args:
        width: Numbers of a token.
        layers: Blocks.
        heads: Of each one's attention.
        dropout: Of the tokens, and in the blocks.
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        blocks = [CausalBlock(width, heads, dropout) for _ in range(layers)]
        self.blocks = nn.Sequential(nn.Dropout(dropout), *blocks, nn.LayerNorm(width))

    def forward(
        self, tokens: Float[Tensor, "batch token width"]
    ) -> Float[Tensor, "batch token width"]:
        """Change every token by those up to it."""
        changed: Tensor = self.blocks(tokens)
        return changed
