"""The endpoint once more, as its authors most likely wrote it: Django, REST Framework, django-filter, SQLite."""
