"""Finds the operation of an address by look-up: no pattern is tried, however many operations there are."""

from collections.abc import Sequence

from namaskah.api.errors import UnknownAddress
from namaskah.api.operation import Operation
from namaskah.core.errors import MethodNotAllowed


class Router:
    """Addresses are fixed, or have one parameter, as their second part: /verifications/{id}/cancel."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._exact: dict[str, dict[str, Operation]] = {}
        self._with_id: dict[tuple[str, str], dict[str, Operation]] = {}
        for operation in operations:
            parts = operation.path.split("/")
            if operation.path_id is None:
                found = self._exact.setdefault(operation.path, {})
            else:
                if not (len(parts) in (3, 4) and parts[2] == "{id}"):
                    raise ValueError(f"the parameter of {operation.path} is not its second part")
                found = self._with_id.setdefault((parts[1], parts[3] if len(parts) == 4 else ""), {})
            if operation.method in found:
                raise ValueError(f"{operation.method} {operation.path} is there twice")
            found[operation.method] = operation
            if operation.method == "GET":
                found["HEAD"] = operation

    def find(self, method: str, path: str) -> tuple[Operation, str]:
        """The operation and its id, '' when it has none. Raises UnknownAddress and MethodNotAllowed."""
        methods, identifier = self._look(path)
        if methods is None:
            raise UnknownAddress("See /api/v2/docs for what there is.")
        operation = methods.get(method)
        if operation is None:
            raise MethodNotAllowed(f"Allowed are {', '.join(methods)} and OPTIONS.")
        return operation, identifier

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that an address knows, OPTIONS included; nothing for an unknown address."""
        found, _ = self._look(path)
        return (*found, "OPTIONS") if found else ()

    def _look(self, path: str) -> tuple[dict[str, Operation] | None, str]:
        exact = self._exact.get(path)
        if exact is not None:
            return exact, ""
        parts = path.split("/", 4)
        if len(parts) == 3 and parts[2]:
            return self._with_id.get((parts[1], "")), parts[2]
        if len(parts) == 4 and parts[3]:
            return self._with_id.get((parts[1], parts[3])), parts[2]
        return None, ""
