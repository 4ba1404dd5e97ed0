"""Response bodies to records: strictly where they follow the API's contract, leniently where they do not."""
