"""Reads the product's metrics, in this process or from the text of /metrics."""

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families


def value_of(name: str, text: str | None = None, **labels: str) -> float:
    """The sum of all samples of that name with these labels (others are summed over); 0 when there is none."""
    families = REGISTRY.collect() if text is None else text_string_to_metric_families(text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


class Growth:
    """By how much a metric has grown since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = value_of(name, **labels)

    def __call__(self) -> float:
        return value_of(self._name, **self._labels) - self._before
