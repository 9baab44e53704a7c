"""Unit tier, `domain.clients`: proves who is served, whose registration can never be, and who finds no room."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.budget import CLIENTS_BYTES, LONGEST_CLIENT_NAME, LONGEST_QUEUE_URL, budget, bytes_of
from mark_event_queue.domain.clients import Registration, admit, history_of
from tests.builders import NOW, client

ACCOUNT, REGION = "123456789012", "eu-west-2"
URL = "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo"


def _registration(name: str = "archive", value: str | None = None, age: int = 0, kind: str = "String") -> Registration:
    """Return a registration that was changed so many seconds before now; of its own queue unless given."""
    own = json.dumps({"queueUrl": client(name)["queueUrl"]})
    changed = NOW - timedelta(seconds=age)
    return Registration(name, kind, own if value is None else value, changed, REGION, ACCOUNT)


def _of(url: str, **placed: str) -> Registration:
    registration = _registration(value=json.dumps({"queueUrl": url}))
    return Registration(
        registration.name, registration.type, registration.value, NOW,
        placed.get("region", REGION), placed.get("account", ACCOUNT),
    )  # fmt: skip


def _problem(registration: Registration) -> str:
    """Return why this registration is not served, while another one beside it is."""
    admission = admit([_registration("beside", age=60), registration])
    assert [one["name"] for one in admission.clients if one["name"] == "beside"] == ["beside"]
    assert admission.crowded_out == []
    return admission.problem(registration.name)


def test_clients_are_served_by_name():
    """Whatever their age, clients come sorted, with their queues."""
    admission = admit([_registration("b", age=1), _registration("c", age=3), _registration("a", age=2)])

    assert admission.clients == [client("a"), client("b"), client("c")]
    assert admission.complaints() == []
    assert admission.complaints() == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is not JSON"),
        ("https://no.json/here", "is not JSON"),
        ("[" * 4_000, "is not JSON"),
        ("1" * 5_000, "is not JSON"),
        ("{", "is not JSON"),
        ("{}", 'has no text "queueUrl"'),
        ('{"queueURL": "x"}', 'has no text "queueUrl"'),
        ('{"queueUrl": null}', 'has no text "queueUrl"'),
        ('{"queueUrl": ["x"]}', 'has no text "queueUrl"'),
        ('["queueUrl"]', 'has no text "queueUrl"'),
        ('"queueUrl"', 'has no text "queueUrl"'),
        ("null", 'has no text "queueUrl"'),
        (f'{{"queueUrl": "x", "queueUrl": "{URL}"}}', 'has the key "queueUrl" twice'),
        (f'{{"queueUrl": "{URL}", "pasued": true, "a\\n": 1}}', 'has keys that are unknown here ("a\\n", "pasued"); '),
    ],
)
def test_a_value_that_makes_no_sense_is_malformed(value, problem):
    """No JSON, no queue, a key twice or one that nobody knows, as a typing error is: told, on one line."""
    assert _problem(_registration(value=value)).startswith(problem)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "MarkFanOutClientQueue.fifo",
        URL.removesuffix(".fifo"),
        URL.replace("MarkFanOutClient", "Payments"),
        URL.replace("Client", ""),
        URL.replace("Queue.", f"{'q' * 60}."),
        URL + "\n",
        URL + "?x",
        URL + "/",
        URL.replace("/Mark", "//Mark"),
        URL.replace("https", "ftp"),
        URL.replace("sqs.", "sqs. "),
        URL.replace("sqs.", "user@sqs."),
        URL.replace("sqs.", "sns."),
        URL.replace("sqs.eu-west-2.", ""),
        URL.replace("123456789012/", ""),
        URL.replace("1234", "١٢٣٤"),
        URL.replace("sqs.eu-west-2.amazonaws.com", "a" * 300),
        "arn:aws:sqs:eu-west-2:123456789012:MarkFanOutClientQueue.fifo",
    ],
)
def test_what_is_no_url_of_a_client_queue_is_malformed(url):
    """Only a queue that the machine's role may send to can be served."""
    assert _problem(_of(url)) == "names no queue that matches MarkFanOutClient*.fifo"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-west-2.amazonaws.com", "eu-west-2"),
        ("SQS.eu-west-2.AmazonAWS.com", "eu-west-2"),
        ("sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("sqs-fips.us-east-1.amazonaws.com", "us-east-1"),
        ("sqs.eu-west-2.api.aws", "eu-west-2"),
        ("sqs-fips.us-east-1.api.aws", "us-east-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1"),
        ("sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("eu-west-2.queue.amazonaws.com", "eu-west-2"),
        ("cn-north-1.queue.amazonaws.com.cn", "cn-north-1"),
        ("queue.amazonaws.com", "us-east-1"),
        ("vpce-0a1b2c3d4e5f60718-abcdefgh.sqs.eu-west-2.vpce.amazonaws.com", "eu-west-2"),
    ],
)
def test_a_queue_is_served_where_its_registration_is(host, region):
    """Every endpoint of SQS tells its region: in it the queue is served, from another account or region never."""
    url = URL.replace("sqs.eu-west-2.amazonaws.com", host)

    assert _problem(_of(url, region=region)) == ""
    assert _problem(_of(url, region="ap-southeast-3")) == (
        f"names a queue of account {ACCOUNT} in {region}; "
        f"a queue has to be where its registration is: account {ACCOUNT}, ap-southeast-3"
    )
    assert _problem(_of(url, region=region, account="210987654321")).startswith(f"names a queue of account {ACCOUNT} ")


@pytest.mark.parametrize("host", ["127.0.0.1:4566", "localhost", "sqs.eu-west-2.localhost.localstack.cloud:4566"])
def test_another_engine_s_queue_is_known_by_its_account(host):
    """A host that is not AWS's says nothing of a region; the account has to be right there, too."""
    url = URL.replace("sqs.eu-west-2.amazonaws.com", host).replace(ACCOUNT, "000000000000")

    assert _problem(_of(url, account="000000000000")) == ""
    assert _problem(_of(url)) == (
        f"names a queue of account 000000000000 in {REGION}; "
        f"a queue has to be where its registration is: account {ACCOUNT}, {REGION}"
    )


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("team/archive", "String", "lies a level too deep: nothing but the client's name may follow the path"),
        ("gate", "String", 'has the name "gate", which stands for the gate in front of all clients'),
        ("n" * (LONGEST_CLIENT_NAME + 1), "String", f"has a name of more than {LONGEST_CLIENT_NAME} characters"),
        ("naïve", "String", "has a name with other characters than A-Z a-z 0-9 _ . -"),
        ("", "String", "has a name with other characters than A-Z a-z 0-9 _ . -"),
        ("archive", "SecureString", "is a parameter of type SecureString, not String"),
        ("archive", "StringList", "is a parameter of type StringList, not String"),
    ],
)
def test_a_parameter_that_is_no_registration_is_malformed(name, kind, problem):
    """A parameter deploys well wherever it lies and whatever it is: its owner is told, by its whole name."""
    value = json.dumps({"queueUrl": URL})

    assert _problem(_registration(name, value, kind=kind)) == problem


def test_of_two_names_for_one_queue_the_later_is_malformed():
    """Also when the URLs differ and name one queue all the same; the one who was there stays."""
    legacy = URL.replace("sqs.eu-west-2", "eu-west-2.queue")
    first = _registration("zebra", json.dumps({"queueUrl": URL}), age=2)
    later = _registration("archive", json.dumps({"queueUrl": legacy}), age=1)

    admission = admit([later, first])

    assert admission.clients == [client("zebra", URL)]
    assert admission.malformed == {"archive": "names the queue of client zebra, which registered before it"}


def test_a_queue_that_nobody_may_have_is_free_for_the_next():
    """A malformed registration holds no queue."""
    broken = _registration("broken", json.dumps({"queueUrl": URL, "x": 1}), age=2)

    assert _problem(broken) != ""
    assert admit([broken, _of(URL)]).clients == [client("archive", URL)]


def test_the_last_to_register_find_no_room():
    """Of a thousand registrations the oldest are served, whatever they are called; the rest are told, in order."""
    waiting = [_registration(f"{number * 7919 % 1000:03}", age=1_000 - number) for number in range(1_000)]

    admission = admit(reversed(waiting))

    served = len(admission.clients)
    assert 200 < served < 300
    assert {one["name"] for one in admission.clients} == {one.name for one in waiting[:served]}
    assert admission.crowded_out == [one.name for one in waiting[served:]]
    assert admission.problem(waiting[-1].name) == (
        f"is crowded out: the {served} clients before it leave no room for another"
    )
    (complaint,) = admission.complaints()
    assert complaint.startswith(f"{1_000 - served} clients get nothing: the {served} that registered before them ")
    assert complaint.endswith(f"{admission.crowded_out[99]} and {900 - served} more")


def test_registered_at_the_same_moment_the_name_decides():
    """One deployment may register many: who is served does not change from one reading to the next."""
    registrations = [_registration(f"{number:03}") for number in range(400)]

    assert admit(registrations) == admit(reversed(registrations))
    assert admit(registrations).crowded_out[-1] == "399"


def test_nobody_slips_in_past_those_who_found_no_room():
    """From the first that finds no room on nobody is served, however short."""
    longest = [_longest(number, age=1_000 - number) for number in range(200)]

    admission = admit([*longest, _registration("s")])

    assert admission.crowded_out[-1] == "s"


def test_ninety_clients_are_served_however_long():
    """The promise of the README: with the longest names and URLs that are taken, the ninetieth is served."""
    admission = admit(_longest(number) for number in range(91))

    assert len(admission.clients) >= 90
    assert admission.malformed == {}


@pytest.mark.parametrize(("said", "served"), [({}, 187), ({"paused": True}, 185), ({"from": "beginning"}, 168)])
def test_so_many_clients_with_names_of_20_letters_are_served(said, served):
    """The README's number: with the queues of client.yaml, in London; fewer where all of them ask for history."""
    names = [f"{number:03}".ljust(20, "n") for number in range(200)]
    urls = {name: URL.replace("ClientQueue", f"Client{name}") for name in names}

    admission = admit(_registration(name, json.dumps({"queueUrl": urls[name]} | said)) for name in names)

    assert (len(admission.clients), admission.malformed) == (served, {})


def _longest(number: int, age: int = 0) -> Registration:
    name = f"{number:03}".ljust(LONGEST_CLIENT_NAME, "n")
    queue = f"MarkFanOutClient{number:03}.fifo"
    host = "h" * (LONGEST_QUEUE_URL - len(f"https:///{ACCOUNT}/{queue}"))
    return _registration(name, json.dumps({"queueUrl": f"https://{host}/{ACCOUNT}/{queue}", "from": "beginning"}), age)


@given(st.lists(st.tuples(st.integers(1, LONGEST_CLIENT_NAME), st.integers(0, 3)), max_size=400))
def test_whoever_registers_the_events_keep_their_room(lengths):
    """Every registration is served, malformed or crowded out, and those served leave events what is promised them."""
    registrations = [
        _registration(f"{number:03}".ljust(length, "n"), age=age) for number, (length, age) in enumerate(lengths)
    ]

    admission = admit(registrations)

    names = [one["name"] for one in admission.clients]
    assert sorted([*names, *admission.malformed, *admission.crowded_out]) == sorted(one.name for one in registrations)
    assert sum(map(bytes_of, admission.clients)) <= CLIENTS_BYTES
    assert budget(admission.clients) >= budget([]) - CLIENTS_BYTES


def _says(**said: object) -> Registration:
    return _registration("archive", json.dumps({"queueUrl": client("archive")["queueUrl"]} | said))


def test_a_registration_may_say_more_than_a_queue():
    """Paused, with a filter, with a history, with notices: all of it is known, and the input says that it matters."""
    admission = admit([_says(paused=True, filter={}, notices=["forgotten"], **{"from": "2026-01-31T09:30:00.123Z"})])

    (subscription,) = admission.subscriptions.values()
    assert (subscription.paused, subscription.since) == (True, "2026-01-31T09:30:00.123Z")
    assert (subscription.notices, admission.clients[0]["selects"]) == ({"forgotten"}, "*")


@pytest.mark.parametrize("said", [{"paused": True}, {"filter": {"type": "object"}}, {"from": "beginning"}])
def test_the_input_says_whose_deliveries_need_a_selection(said):
    """Always for a pause and a filter; for a history as long as it is not over, by its name."""
    (told,) = admit([_says(**said)]).clients

    assert told["selects"].startswith("/") if "from" in said else told["selects"] == "*"


def test_another_time_is_another_history():
    """Whoever changes `from` gets a new history: the name differs, and from that of every other client."""
    names = {
        history_of(name, since) for name in ("a", "b") for since in ("beginning", "2026-01-01T00:00:00Z")
    }  # fmt: skip

    assert len(names) == 4


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"paused": "yes"}, 'has a "paused" that is neither true nor false'),
        ({"paused": None}, 'has a "paused" that is neither true nor false'),
        ({"filter": []}, 'has a "filter" that is no JSON Schema'),
        ({"filter": {"$ref": "#"}}, 'has a "filter" with a $ref to something else'),
        ({"from": "yesterday"}, 'has a "from" that is neither "beginning" nor an instant'),
        ({"from": "2026-02-30T00:00:00Z"}, 'has a "from" that is neither "beginning" nor an instant'),
        ({"from": "2026-02-03"}, 'has a "from" that is neither "beginning" nor an instant'),
        ({"from": 7}, 'has a "from" that is neither "beginning" nor an instant'),
        ({"notices": "forgotten"}, 'has "notices" that are not a list of those there are: forgotten'),
        ({"notices": ["gone"]}, 'has "notices" that are not a list of those there are: forgotten'),
        ({"major": "1"}, 'has a "major" that is no whole number from 1 to 99'),
        ({"major": 0}, 'has a "major" that is no whole number from 1 to 99'),
        ({"major": True}, 'has a "major" that is no whole number from 1 to 99'),
        ({"major": 1.5}, 'has a "major" that is no whole number from 1 to 99'),
        ({"notices": [[]]}, 'has "notices" that are not a list of those there are: forgotten'),
    ],
)
def test_what_more_it_says_has_to_make_sense(said, problem):
    """Whatever is wrong with it costs its client the delivery, and nobody else."""
    admission = admit([_says(**said), _registration("billing")])

    assert admission.malformed["archive"].startswith(problem)
    assert [one["name"] for one in admission.clients] == ["billing"]
