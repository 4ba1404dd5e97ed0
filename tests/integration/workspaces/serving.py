"""Workspaces of several sizes, and what a listing of them must return."""

from piriod_async import (
    RetryPolicy,
)

SIZES = {"acc_0": 0, "acc_1": 1, "acc_100": 100, "acc_250": 250, "acc_1000": 1_000}


SWIFT = RetryPolicy(wait_initial=0)


def ids(server, workspace, country=None):
    customers = server.customers(workspace)
    return [customer["id"] for customer in customers if country in (None, customer["country"]["id"])]


async def read(listing):
    """Return ids by workspace, in the order they came."""
    came = {}
    async for workspace, customer in listing:
        came.setdefault(workspace, []).append(customer.id)
    return came
