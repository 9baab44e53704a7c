"""The table of list prices."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.report import table

MEMORY_GB = 0.5  # of the functions, template.yaml


class Prices:
    """The table of list prices."""

    def __init__(self, prices: Mapping[str, Mapping[str, Any]]) -> None:
        self.by_name = prices

    def of(self, name: str, quantity: float) -> float:
        """Return the dollars for a quantity of something."""
        price = self.by_name[name]
        return float(price["usd"] * quantity / price["per"])

    def print(self) -> None:
        """Print the table."""
        table(
            "List prices, first tier",
            ("", "USD", "per", "region", "date", "source"),
            [
                (name, f"{one['usd']:.10g}", _per(one), one["region"], one["date"], one["source"])
                for name, one in self.by_name.items()
            ],
        )


def load_prices() -> Prices:
    """Return the prices that the repository holds."""
    return Prices(json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))["prices"])


def _per(price: Mapping[str, Any]) -> str:
    return f"{price['per']:,} {price['unit']}" if price["per"] > 1 else str(price["unit"])
