"""Queries and requests to compare two servers with, as they go over the wire."""

from typing import Any

PAGES = [
    *("", "page=1", "page=2", "page=13", "page=14", "page=0", "page=-1", "page=two", "page=1.5", "page=", "page=%20"),
    *("page=%202%20", "page=+2", "page=%2B2", "page=1_0", "page=%D9%A2", "page=last", "page=LAST", "page=last&page=2"),
    *("page=99999999999999999999", "page_size=1", "page_size=0", "page_size=-5", "page_size=many", "page_size=1.5"),
    *("page_size=100", "page_size=101", "page_size=99999999999999999999", "page_size=", "page_size=%205%20"),
    *("page_size=1_0", "page_size=5&page_size=3", "page=3&page_size=100", "page=4&page_size=100"),
    *("page=last&page_size=100", "page=last&name=nobody", "page=2&name=nobody", "name=nobody", "page=1&name=nobody"),
]
LINKS = [
    *("b=2&a=1", "a=2&a=1", "page=2", "page=3&a=1", "page=2&page=3", "page=2&page=1&a=", "empty=", "flag", "&&a=1&"),
    *("a=%C3%B1+%26%3D%2B%25%2F", "%C3%B1=1", "a=~*()!'/:@?", "a=1;b=2", "a=%ff", "a=%", "a=%zz", "a=%00", "A=1&a=2"),
    *("a=http://x.cl/?b=1", "page_size=5", "name=Orden&page=2", "page=last"),
]
FILTERS = [
    *("country=CL", "country=MX", "country=XX", "country=cl", "country=", "country=%20", "country=%20CL"),
    *("country=%00", "country=XX&country=CL", "country=CL&country=", "country=CL,MX", "Country=MX", "countr=MX"),
    *("email=a%2Bb%40c.cl", "email=A%2BB@C.CL", "email=a+b@c.cl", "email=c.cl", "email=", "email=%20%20", "email=%25"),
    *("email=%20a%2Bb@c.cl%20", "email=not-an-email", "email=%00", "email=x&email=a%2Bb@c.cl"),
    *("name=%C3%91u%C3%B1oa+%26+C%C3%ADa+%3D+100%25", "name=Orden", "name=oRDEN", "name=%C3%B1oa", "name=%25"),
    *("name=_", "name=_snake_", "name=%5C", "name='", "name=%22", "name=", "name=+", "name=+Orden+", "name=Orden++a"),
    *("name=%00", "name=%ff", "name=N%CC%83", "name=nobody", "tax_id=76.123.456-K", "tax_id=76.123.456-k"),
    *("tax_id=76.123.456", "tax_id=76123456K", "tax_id=", "tax_id=%20", "tax_id=%2076.123.456-K"),
    *("subscriptions=sub_odd", "subscriptions=sub_nobody", "subscriptions=", "subscriptions=sub_odd,sub_other"),
    *("sources=src_shared", "sources=src_odd", "sources=src_nobody", "sources=", "sources=src_odd&sources=src_shared"),
    *("metadata__plan=gold", "metadata__plan=GOLD", "metadata__plan=gol", "metadata__plan=", "metadata__plan=%20gold+"),
    *("metadata__plan+largo=s%C3%AD", "metadata__plan%20largo=no", "metadata__a.b=x%26y%3Dz", "metadata__a%2Eb=x"),
    *("metadata__a%C3%B1o=2031", "metadata__k%26v=1+%2B+1", "metadata__seats=5", "metadata__seats=5.0"),
    *("metadata__vip=true", "metadata__vip=True", "metadata__nothing=1", "metadata__=1", "metadata=gold"),
    *("metadata_=1", "metadata__Plan=gold", "metadata__plan=gold&metadata__segment=empresa"),
    "metadata__plan=gold&metadata__plan=silver",
    *("metadata__plan=%00", "METADATA__plan=gold", "metadata__plan__in=gold", "status=archived", "id=cus_odd"),
    *("country=CL&metadata__plan=gold&name=SpA", "country=XX&created__gte=never&created__lte=ever", "search=Orden"),
    "country=XX&name=%00",
]
DATES = [
    *("2031-05-05T12:00:00Z", "2031-05-05T12:00:00.000001Z", "2031-05-05T12:00:00.000002Z", "2031-05-05T12:00:00.123Z"),
    *("2031-05-05T12:00:00.1230001Z", "2031-05-05T12:00:00.123000000Z", "2031-05-05T12:00:00,123Z"),
    *("2031-05-05T12:00:00z", "2031-05-05T12:00:00%2B00:00", "2031-05-05T12:00:00+00:00", "2031-05-05T08:00:00-04:00"),
    *("2031-05-05T08:00:00-0400", "2031-05-05T08:00:00-04", "2031-05-05T12:00Z", "2031-05-05T12Z", "20310505T120000Z"),
    *("2031-05-05T08:00:00", "2031-05-05T08:00", "2031-05-05%2008:00:00", "2031-05-05+08:00:00", "2031-05-05%0908:00"),
    *("2031-05-05", "2031-01-01", "2031-01-01T00:00:00", "2030-12-31T23:59:59.999999", "20310101", "2031-W01-3"),
    *("", "%20", "%202031-05-05T12:00:00Z%20", "yesterday", "2031-13-01", "2031-02-29", "2031-05", "1767225600", "now"),
    *("2031-05-05T25:00:00Z", "2031-05-05T24:00:00Z", "2031-05-05T12:00:60Z", "2031-05-05T12:00:00%2B25:00"),
    *("2031-5-5", "2031-5-5T8:00", "05/05/2031", "2031-05-05T12:00:00ZZ", "%00", "2031-05-05T12:00:00Z%00"),
    *("2026-09-06", "2026-09-06T00:30:00", "2026-04-04T23:30:00", "0001-01-01", "9999-12-31", "9999-12-31T23:59:59Z"),
]
# both bounds share a parser, so these are only where they differ: which customers a bound includes, and what is ignored
UPPER_BOUNDS = [
    *("2031-05-05T12:00:00Z", "2031-05-05T12:00:00.000001Z", "2031-05-05T12:00:00.123Z", "2031-05-05T08:00:00"),
    *("2031-05-05", "2030-12-31T23:59:59.999999", "", "%20", "yesterday", "%00", "0001-01-01", "9999-12-31T23:59:59Z"),
]
ORDERINGS = [
    *("created", "-created", "updated", "-updated", "name,created", "-name,-created", "name,-created", "created,name"),
    *("bogus", "-bogus", "bogus,created", "created,bogus", "--created", "", "%20", "+created", "-+created", ",created"),
    *("created,", "created,,name", "CREATED", "created+,+name", "created%2Cname", "pk", "id", "-id", "country", "?"),
    *("created&ordering=-created", "created__gte", "created,-created", "workspace__id", "tax_id", "balance"),
]
QUERIES = [
    *PAGES,
    *(f"{query}&page_size=5" if query else "page_size=5" for query in [*LINKS, *FILTERS]),
    *(f"created__gte={date}&page_size=3" for date in DATES),
    *(f"created__lte={date}&page_size=3" for date in UPPER_BOUNDS),
    *(f"ordering={ordering}&page_size=5" for ordering in ORDERINGS),
    *(f"ordering={ordering}&name=Orden" for ordering in ("email", "-email", "name,-email", "-name,email")),
    *("created=2031-05-05T12:00:00Z", "created__gt=2031-01-01", "updated__gte=2031-01-01", "created__range=a,b"),
]

REQUESTS: dict[str, dict[str, Any]] = {
    "no token": {"authorization": None},
    "empty token": {"authorization": ""},
    "bare keyword": {"authorization": "Token"},
    "keyword and a space": {"authorization": "Token "},
    "wrong token": {"authorization": "Token wrong"},
    "token with a space": {"authorization": "Token a b"},
    "not ASCII": {"authorization": "Token ñ"},
    "Bearer": {"authorization": "Bearer wrong"},
    "no keyword": {"authorization": "wrong"},
    "Basic": {"authorization": "Basic YTpi"},
    "no workspace": {"x_simple_workspace": None},
    "empty workspace": {"x_simple_workspace": ""},
    "unknown workspace": {"x_simple_workspace": "acc_nobody"},
    "neither": {"authorization": None, "x_simple_workspace": None},
    "wrong token, unknown workspace": {"authorization": "Token wrong", "x_simple_workspace": "acc_nobody"},
    "unknown workspace, bad filter": {"x_simple_workspace": "acc_nobody", "query": "created__gte=never"},
    "bad filter, bad page": {"query": "created__gte=never&page=0"},
    "test data": {"x_piriod_test_mode": "true", "query": "page_size=100"},
    "test data, bad page": {"x_piriod_test_mode": "true", "query": "page=3"},
    "live data": {"x_piriod_test_mode": "false"},
    "test mode left empty": {"x_piriod_test_mode": ""},
    "no slash": {"path": "/customers"},
    "no slash, query": {"path": "/customers", "query": "name=%C3%91u+%26&page=2&a=%2B&b"},
    "no slash, no token": {"path": "/customers", "authorization": None},
    "POST": {"method": "POST"},
    "PUT": {"method": "PUT"},
    "DELETE": {"method": "DELETE"},
    "PATCH, no token": {"method": "PATCH", "authorization": None},
    "DELETE, unknown workspace": {"method": "DELETE", "x_simple_workspace": "acc_nobody"},
    "HEAD": {"method": "HEAD"},
    "HEAD, bad page": {"method": "HEAD", "query": "page=0"},
    "HEAD, wrong token": {"method": "HEAD", "authorization": "Token wrong"},
    "OPTIONS": {"method": "OPTIONS"},
    "OPTIONS, bad filter": {"method": "OPTIONS", "query": "created__gte=never&page=0"},
    "OPTIONS, wrong token": {"method": "OPTIONS", "authorization": "Token wrong"},
    "OPTIONS, no workspace": {"method": "OPTIONS", "x_simple_workspace": None},
    "OPTIONS, unknown workspace": {"method": "OPTIONS", "x_simple_workspace": "acc_nobody"},
    "OPTIONS, no slash": {"method": "OPTIONS", "path": "/customers"},
    "TRACE": {"method": "TRACE"},
}
