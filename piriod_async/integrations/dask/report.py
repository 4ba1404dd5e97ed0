"""The report on a dataset: what was read, and what failed."""

from attrs import define, field

from piriod_async.errors import PiriodError, raise_errors


@define(kw_only=True)
class DatasetReport:
    """The result of `customers_to_parquet`. `print` it for one line.

    Attributes:
        complete: Customers in the file of each workspace that was read.
        skipped: Customers in the file of each workspace that had been complete before.
        errors: The error of each workspace that failed, and has no new file.
        invalid: Records that were left out (`on_invalid="skip"`), of each workspace that has some.
        requests: Requests sent, retries included.
        throttled: Responses with the status 429.
        seconds: Duration.
    """

    complete: dict[str, int] = field(factory=dict)
    skipped: dict[str, int] = field(factory=dict)
    errors: dict[str, PiriodError] = field(factory=dict)
    invalid: dict[str, int] = field(factory=dict)
    requests: int = 0
    throttled: int = 0
    seconds: float = 0.0

    @property
    def customers(self) -> int:
        """Customers in the files of all workspaces that are complete."""
        return sum(self.complete.values()) + sum(self.skipped.values())

    @property
    def workspaces(self) -> int:
        """Workspaces that are done: complete, skipped or failed."""
        return len(self.complete) + len(self.skipped) + len(self.errors)

    def add(self, other: "DatasetReport") -> None:
        """Add the report on a batch of other workspaces, except its duration."""
        self.complete |= other.complete
        self.skipped |= other.skipped
        self.errors |= other.errors
        self.invalid |= other.invalid
        self.requests += other.requests
        self.throttled += other.throttled

    def raise_for_errors(self) -> None:
        """Raise the `errors`, if there are any.

        Raises:
            ExceptionGroup: The `PiriodError` of each workspace that failed.
        """
        raise_errors(self.errors, f"{len(self.errors)} workspaces failed")

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON values, as in the file `_report.json`."""
        return {
            "customers": self.customers,
            "complete": self.complete,
            "skipped": self.skipped,
            "errors": {name: f"{type(error).__name__}: {error}" for name, error in self.errors.items()},
            "invalid": self.invalid,
            "requests": self.requests,
            "throttled": self.throttled,
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        workspaces = f"{len(self.complete):,} complete, {len(self.skipped):,} skipped, {len(self.errors):,} failed"
        left_out = f"; {sum(self.invalid.values()):,} records left out" if self.invalid else ""
        requests = f"{self.requests:,} requests, {self.throttled:,} of them throttled (429)"
        return f"{self.customers:,} customers; workspaces: {workspaces}{left_out}; {requests}; {self.seconds:.1f} s"
