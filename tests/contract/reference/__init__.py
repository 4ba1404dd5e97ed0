"""A reference implementation of the endpoint: Django, REST Framework, django-filter and SQLite, served by waitress.

The authors of the API most likely wrote it like this, so this is what the mock server is compared with and what
completeness is tested against while a thread writes to the database. Modules:

- `settings` configures Django and is imported before all others; `REFERENCE_DATABASE` selects another database.
- `models`, `filters` and `api` are the application: tables, query parameters, the view with its serializers.
- `store` loads and changes customers, given as the API prints them.
- `server` is what tests use: `Reference().start()`, then `load`, `add`, `update`, `remove`, `rate_limit`, `requests`.
- `fixtures` has the pytest fixtures `reference_server` (one per process) and `reference` (empty, for one test).
"""
