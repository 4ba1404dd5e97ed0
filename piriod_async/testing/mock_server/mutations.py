"""Changes to the list while a client reads it."""

from random import Random
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, le

ChangeKind = Literal["create", "delete", "edit"]
KINDS: tuple[ChangeKind, ...] = ("create", "delete", "edit")


@frozen
class Change:
    """A change to a customer.

    Attributes:
        kind: `"create"`, `"delete"` or `"edit"`.
        id: Id of the customer.
        workspace: Id of its workspace.
        request: Index in `MockServer.requests` of the request during or before which it happened.
    """

    kind: ChangeKind
    id: str
    workspace: str
    request: int


@frozen
class Mutations:
    """How often, and how, customers change while a client reads the list.

    Args:
        rate: Mean number of changes before each response.
        create: Weight of changes that add a customer, newer than all others.
        delete: Weight of changes that delete a random customer.
        edit: Weight of changes that give a random customer another country, state and name.
        race: Probability of one more change in the middle of a request, between the framework's COUNT and its SELECT.
    """

    rate: float = field(validator=ge(0))
    create: float = field(default=0.3, validator=ge(0))
    delete: float = field(default=0.3, validator=ge(0))
    edit: float = field(default=0.4, validator=ge(0))
    race: float = field(default=0.0, validator=[ge(0), le(1)])

    def before_request(self, random: Random) -> list[ChangeKind]:
        """Draw the changes that happen before a response."""
        return self._draw(random, int(self.rate) + (random.random() < self.rate % 1))

    def mid_request(self, random: Random) -> list[ChangeKind]:
        """Draw the changes that happen between COUNT and SELECT."""
        return self._draw(random, int(random.random() < self.race))

    def _draw(self, random: Random, times: int) -> list[ChangeKind]:
        return random.choices(KINDS, (self.create, self.delete, self.edit), k=times)
