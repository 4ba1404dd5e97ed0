"""Read a dataset that `customers_to_parquet` wrote."""

import pyarrow.parquet as pq


def ids_by_workspace(folder):
    """Return the ids of the customers of each workspace, in order."""
    table = pq.read_table(folder, columns=["id", "workspace"])
    ids = {}
    for row in table.to_pylist():
        ids.setdefault(row["workspace"], []).append(row["id"])
    return ids


def expected_ids(server):
    """Return the ids that a mock server has, of each workspace with customers."""
    ids = {workspace: [row["id"] for row in server.customers(workspace)] for workspace in server.workspaces}
    return {workspace: some for workspace, some in ids.items() if some}
