"""A list that moves while it is read."""

from random import Random
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, le

ChangeKind = Literal["create", "delete", "edit"]
KINDS: tuple[ChangeKind, ...] = ("create", "delete", "edit")


@frozen
class Change:
    """Something that happened to a customer.

    Attributes:
        kind: What happened.
        id: To whom.
        workspace: Where.
        request: Index in ``MockServer.requests`` of the request it happened in, or before which it happened.
    """

    kind: ChangeKind
    id: str
    workspace: str
    request: int


@frozen
class Mutations:
    """How a list moves: each request finds it changed.

    Args:
        rate: Mean number of changes just before a response.
        create: Share of changes that add a customer, the newest one.
        delete: Share of changes that delete any customer.
        edit: Share of changes that give any customer another country, state and name.
        race: Probability that one change more happens in the middle of a request, after the framework has counted the
            customers and before it selects them.
    """

    rate: float = field(validator=ge(0))
    create: float = field(default=0.3, validator=ge(0))
    delete: float = field(default=0.3, validator=ge(0))
    edit: float = field(default=0.4, validator=ge(0))
    race: float = field(default=0.0, validator=[ge(0), le(1)])

    def before(self, random: Random) -> list[ChangeKind]:
        """What happens before a response."""
        times = int(self.rate) + (random.random() < self.rate % 1)
        return random.choices(KINDS, (self.create, self.delete, self.edit), k=times)

    def amid(self, random: Random) -> list[ChangeKind]:
        """What happens between COUNT and SELECT."""
        times = int(random.random() < self.race)
        return random.choices(KINDS, (self.create, self.delete, self.edit), k=times)
