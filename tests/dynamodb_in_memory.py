"""A DynamoDB client in memory, true to what the adapter of the table of what waits relies on, and no more.

Expressions are parsed and evaluated, transactions happen as a whole or not at all and say why not, queries come in
pages, an index knows only what has its keys. What it does not know it refuses. It counts its calls and tells
whoever listens before and after each. tests/unit/test_held_events.py holds it and moto to the same behaviour.
"""

import re
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from mark_event_queue.adapters.held_events import OLDEST_FIRST

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]
Listener = Callable[[str, Mapping[str, Any]], None]

_ACTIONS_PER_TRANSACTION = 100
_KEYS_PER_BATCH = 100
_ITEMS_PER_BATCH = 25
_BYTES_PER_PAGE = 1_000_000


class ConditionalCheckFailedException(ClientError):  # noqa: N818 - boto3's name
    """As boto3 has it in `client.exceptions`."""


class TransactionCanceledException(ClientError):  # noqa: N818 - boto3's name
    """As boto3 has it in `client.exceptions`."""


class ValidationError(ClientError):
    """What DynamoDB refuses whatever the table holds: here always a mistake of the caller."""


def _error(kind: type[ClientError], message: str, **more: Any) -> ClientError:
    code = "ValidationException" if kind is ValidationError else kind.__name__
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return kind(response, "in memory")


def ignore(operation: str, arguments: Mapping[str, Any]) -> None:
    """Do nothing about a call."""


class DynamoDBInMemory:
    """One table with the partition key `pk`, the sort key `sk` and the index OldestFirst."""

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=ConditionalCheckFailedException,
        TransactionCanceledException=TransactionCanceledException,
    )

    def __init__(self, before: Listener = ignore, after: Listener = ignore) -> None:
        self.before, self.after = before, after
        self.calls: Counter[str] = Counter()
        self.keys_per_batch = _KEYS_PER_BATCH
        """How many keys of a BatchGetItem are answered at once; the rest is left unprocessed."""
        self._items: dict[str, dict[str, Item]] = {}
        self._order: dict[str, list[str]] = {}
        self._index: dict[str, list[tuple[str, str, str]]] = {}

    # ------------------------------------------------------------------------------------------------------------------
    # For tests
    # ------------------------------------------------------------------------------------------------------------------
    def items(self, pk: str) -> list[Item]:
        """Return the items of a partition, in order."""
        return [self._items[pk][sk] for sk in self._order.get(pk, [])]

    def contents(self) -> dict[Key, Item]:
        """Return all items by their keys."""
        return {(pk, sk): item for pk, items in self._items.items() for sk, item in items.items()}

    def put(self, pk: str, sk: str, item: Item | None) -> None:
        """Have an item there, or none."""
        held = self._items.setdefault(pk, {})
        before = held.get(sk)
        if before is None and item is not None:
            insort(self._order.setdefault(pk, []), sk)
        if before is not None and item is None:
            del self._order[pk][bisect_left(self._order[pk], sk)]
        for one, change in ((before, self._unlist), (item, self._list)):
            if one and {"recipient", "since"} <= one.keys():
                change(one["recipient"]["S"], (one["since"]["S"], pk, sk))
        if item is None:
            held.pop(sk, None)
        else:
            held[sk] = item

    def _list(self, recipient: str, place: tuple[str, str, str]) -> None:
        insort(self._index.setdefault(recipient, []), place)

    def _unlist(self, recipient: str, place: tuple[str, str, str]) -> None:
        del self._index[recipient][bisect_left(self._index[recipient], place)]

    # ------------------------------------------------------------------------------------------------------------------
    # Operations
    # ------------------------------------------------------------------------------------------------------------------
    def __getattr__(self, operation: str) -> Callable[..., Any]:
        perform = getattr(type(self), f"_{operation}", None)
        if operation.startswith("_") or perform is None:
            raise AttributeError(operation)

        def call(**arguments: Any) -> Any:
            self.calls[operation] += 1
            self.before(operation, arguments)
            answer = perform(self, arguments)
            self.after(operation, arguments)
            return answer

        return call

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """Return what reads all pages of an operation, a call for each."""

        def paginate(**asked: Any) -> Iterator[dict[str, Any]]:
            start: Item | None = {}
            while start is not None:
                page = getattr(self, operation)(**asked, **({"ExclusiveStartKey": start} if start else {}))
                yield page
                start = page.get("LastEvaluatedKey")

        return SimpleNamespace(paginate=paginate)

    def _get_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _known(asked, "TableName", "Key", "ConsistentRead")
        item = self._get(_key(asked["Key"]))
        return {"Item": dict(item)} if item is not None else {}

    def _batch_get_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _known(asked, "RequestItems")
        ((table, read),) = asked["RequestItems"].items()
        _known(read, "Keys", "ConsistentRead", "ProjectionExpression")
        keys = [_key(key) for key in read["Keys"]]
        if not 0 < len(keys) <= _KEYS_PER_BATCH or len(set(keys)) < len(keys):
            raise _error(ValidationError, "a BatchGetItem takes 1 to 100 different keys")
        answered = keys[: self.keys_per_batch]
        found = [item for key in answered if (item := self._get(key)) is not None]
        left = read["Keys"][len(answered) :]
        return {
            "Responses": {table: [_projected(item, read.get("ProjectionExpression")) for item in found]},
            "UnprocessedKeys": {table: {**read, "Keys": left}} if left else {},
        }

    def _query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _known(
            asked, "TableName", "IndexName", "KeyConditionExpression", "ExpressionAttributeValues", "ConsistentRead",
            "ProjectionExpression", "Limit", "ExclusiveStartKey",
        )  # fmt: skip
        start = asked.get("ExclusiveStartKey", {})
        index = asked.get("IndexName")
        of = re.fullmatch(r"(\w+) = (:\w+)", asked["KeyConditionExpression"])
        if not of or of[1] != ("recipient" if index else "pk") or index not in (None, OLDEST_FIRST):
            raise _error(ValidationError, f"no such query: {asked['KeyConditionExpression']} of {index}")
        if index and asked.get("ConsistentRead"):
            raise _error(ValidationError, "an index has no consistent reads")
        if start and start.keys() != {"pk", "sk", *(("recipient", "since") if index else ())}:
            raise _error(ValidationError, "the start key is not a key of what is read")
        value = asked["ExpressionAttributeValues"][of[2]]["S"]
        found = self._of_index(value, start) if index else self._of_partition(value, start)
        page: list[Item] = []
        size = 0
        more = False
        for item in found:
            page.append(item)
            size += sum(len(name) + len(str(attribute)) for name, attribute in item.items())
            more = len(page) == asked.get("Limit") or size > _BYTES_PER_PAGE
            if more:
                break
        last = (
            {name: page[-1][name] for name in (*("pk", "sk"), *(("recipient", "since") if index else ()))}
            if more
            else {}
        )
        items = [_projected(item, asked.get("ProjectionExpression")) for item in page]
        return {"Items": items, "Count": len(items)} | ({"LastEvaluatedKey": last} if more else {})

    def _of_partition(self, pk: str, start: Item) -> Iterator[Item]:
        order = self._order.get(pk, [])
        for sk in order[bisect_right(order, start["sk"]["S"]) if start else 0 :]:
            yield self._items[pk][sk]

    def _of_index(self, recipient: str, start: Item) -> Iterator[Item]:
        order = self._index.get(recipient, [])
        place = tuple(start[name]["S"] for name in ("since", "pk", "sk")) if start else ()
        for since, pk, sk in order[bisect_right(order, place) if start else 0 :]:
            texts = {"pk": pk, "sk": sk, "recipient": recipient, "since": since}
            yield {name: {"S": text} for name, text in texts.items()}

    def _put_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._alone({"Put": asked})

    def _batch_write_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _known(asked, "RequestItems")
        ((_, requests),) = asked["RequestItems"].items()
        if not 0 < len(requests) <= _ITEMS_PER_BATCH:
            raise _error(ValidationError, "a BatchWriteItem takes 1 to 25 items")
        for request in requests:
            ((kind, of),) = request.items()
            self.put(*_key(of["Item"] if kind == "PutRequest" else of["Key"]), of.get("Item"))
        return {}

    def _update_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._alone({"Update": asked})

    def _delete_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._alone({"Delete": asked})

    def _alone(self, action: Mapping[str, Any]) -> dict[str, Any]:
        key, item, holds = self._outcome(action)
        if not holds:
            raise _error(ConditionalCheckFailedException, "The conditional request failed")
        self.put(*key, item)
        return {}

    def _transact_write_items(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _known(asked, "TransactItems")
        outcomes = [self._outcome(action) for action in asked["TransactItems"]]
        if not 0 < len(outcomes) <= _ACTIONS_PER_TRANSACTION:
            raise _error(ValidationError, "a transaction takes 1 to 100 actions")
        if len({key for key, _, _ in outcomes}) < len(outcomes):
            raise _error(ValidationError, "a transaction takes one action per item")
        if not all(holds for _, _, holds in outcomes):
            codes = ["None" if holds else "ConditionalCheckFailed" for _, _, holds in outcomes]
            reasons = [{"Code": code} for code in codes]
            message = f"Transaction cancelled, reasons {codes}"
            raise _error(TransactionCanceledException, message, CancellationReasons=reasons)
        for key, item, _ in outcomes:
            self.put(*key, item)
        return {}

    def _outcome(self, action: Mapping[str, Any]) -> tuple[Key, Item | None, bool]:
        """Return the item of a write, what would become of it, and whether the write's condition holds."""
        ((kind, asked),) = action.items()
        _known(
            asked, "TableName", "Key", "Item", "ConditionExpression", "UpdateExpression",
            "ExpressionAttributeNames", "ExpressionAttributeValues",
        )  # fmt: skip
        key = _key(asked["Item"] if kind == "Put" else asked["Key"])
        before = self._get(key)
        scope = _Scope(before or {}, asked)
        holds = "ConditionExpression" not in asked or _holds(asked["ConditionExpression"], scope)
        after: Item | None = None
        if kind == "Put":
            after = dict(asked["Item"])
        elif kind == "Update":
            after = _updated(asked["UpdateExpression"], scope, before or dict(asked["Key"]))
        elif kind == "ConditionCheck":
            after = before
        elif kind != "Delete":
            raise _error(ValidationError, f"no such action: {kind}")
        scope.demand_all_used()
        return key, after, holds

    def _get(self, key: Key) -> Item | None:
        return self._items.get(key[0], {}).get(key[1])


def _known(asked: Mapping[str, Any], *names: str) -> None:
    if unknown := asked.keys() - set(names):
        raise _error(ValidationError, f"not known in memory: {sorted(unknown)}")


def _key(key: Item) -> Key:
    return key["pk"]["S"], key["sk"]["S"]


def _projected(item: Item, expression: str | None) -> Item:
    names = [name.strip() for name in expression.split(",")] if expression else list(item)
    return {name: item[name] for name in names if name in item}


# ----------------------------------------------------------------------------------------------------------------------
# Expressions (DynamoDB Developer Guide, "Expressions")
# ----------------------------------------------------------------------------------------------------------------------
_TOKEN = re.compile(r"\s*(#?\w+|:\w+|<>|<=|>=|[=<>(),+-])")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@cache
def _tokens(expression: str) -> tuple[str, ...]:
    tokens = _TOKEN.findall(expression)
    if re.sub(r"\s", "", expression) != "".join(tokens):
        raise _error(ValidationError, f"cannot be read: {expression}")
    return tuple(tokens)


class _Scope:
    """What the names of an expression stand for."""

    def __init__(self, item: Item, asked: Mapping[str, Any]) -> None:
        self.item = item
        self._values = asked.get("ExpressionAttributeValues", {})
        self._names = asked.get("ExpressionAttributeNames", {})
        self._used: set[str] = set()

    def name(self, token: str) -> str:
        """Return the attribute that a token names."""
        self._used.add(token)
        if token.startswith("#"):
            return str(self._names[token])
        if not token[0].isalpha():
            raise _error(ValidationError, f"not the name of an attribute: {token}")
        return token

    def value(self, token: str) -> dict[str, Any] | None:
        """Return the value of a token, None for an attribute that is not there."""
        if not token.startswith(":"):
            return self.item.get(self.name(token))
        self._used.add(token)
        found: dict[str, Any] = self._values[token]
        return found

    def demand_all_used(self) -> None:
        """Refuse names and values that no expression uses, as DynamoDB does."""
        if unused := {*self._values, *self._names} - self._used:
            raise _error(ValidationError, f"not used in expressions: {sorted(unused)}")


class _Reader:
    """Goes through the tokens of an expression."""

    def __init__(self, expression: str, scope: _Scope) -> None:
        self._tokens = (*_tokens(expression), "")
        self._next = 0
        self.scope = scope

    def peek(self) -> str:
        """Return the next token, nothing at the end."""
        return self._tokens[self._next]

    def take(self, *expected: str) -> str:
        """Return the next token and go on; refuse it if it is none of those expected."""
        token = self._tokens[self._next]
        if not token or (expected and token not in expected):
            raise _error(ValidationError, f"{token or 'the end'} where {expected} was expected")
        self._next += 1
        return token

    def taken(self, *wanted: str) -> bool:
        """Go on if the next token is one of those wanted."""
        found = self._tokens[self._next] in wanted
        self._next += found
        return found

    def either(self) -> bool:
        """Return whether a disjunction holds; every part is read, as every name in it has to make sense."""
        holds = self._all()
        while self.taken("OR"):
            holds = self._all() or holds
        return holds

    def _all(self) -> bool:
        holds = self._one()
        while self.taken("AND"):
            holds = self._one() and holds
        return holds

    def _one(self) -> bool:
        if self.taken("NOT"):
            return not self._one()
        if self.taken("("):
            holds = self.either()
            self.take(")")
            return holds
        if self.peek() in ("attribute_exists", "attribute_not_exists"):
            wanted = self.take() == "attribute_exists"
            self.take("(")
            name = self.scope.name(self.take())
            self.take(")")
            return (name in self.scope.item) is wanted
        left = self.scope.value(self.take())
        compare = _COMPARISONS[self.take(*_COMPARISONS)]
        right = self.scope.value(self.take())
        if left is None or right is None or left.keys() != right.keys():
            return False
        return compare(_comparable(left), _comparable(right))

    def operand(self) -> dict[str, Any]:
        """Return the value of an operand of SET, which has to have one."""
        if not self.taken("if_not_exists"):
            return _there(self.scope.value(self.take()))
        self.take("(")
        present = self.scope.value(self.take())
        self.take(",")
        otherwise = self.operand()
        self.take(")")
        return otherwise if present is None else present


def _holds(expression: str, scope: _Scope) -> bool:
    reader = _Reader(expression, scope)
    holds = reader.either()
    if reader.peek():
        raise _error(ValidationError, f"{reader.peek()} is too much: {expression}")
    return holds


def _updated(expression: str, scope: _Scope, before: Item) -> Item:
    """Return what an update makes of an item; all that it reads is as it was before."""
    after = dict(before)
    reader = _Reader(expression, scope)
    while reader.peek():
        clause = reader.take("SET", "REMOVE", "ADD", "DELETE")
        while True:
            name = scope.name(reader.take())
            if name in ("pk", "sk"):
                raise _error(ValidationError, "an update does not change a key")
            if clause == "SET":
                reader.take("=")
                value = reader.operand()
                while reader.peek() in ("+", "-"):
                    value = _sum(value, reader.operand() if reader.take() == "+" else _negative(reader.operand()))
                after[name] = value
            elif clause == "ADD":
                after[name] = _added(scope.item.get(name), _there(scope.value(reader.take())))
            elif clause == "DELETE":
                less = set(_there(scope.value(reader.take()))["SS"])
                kept = sorted(set(scope.item.get(name, {"SS": []})["SS"]) - less)
                after |= {name: {"SS": kept}}
                if not kept:
                    del after[name]
            else:
                after.pop(name, None)
            if not reader.taken(","):
                break
    return after


def _there(value: dict[str, Any] | None) -> dict[str, Any]:
    if value is None:
        raise _error(ValidationError, "an operand is not there")
    return value


def _comparable(value: dict[str, Any]) -> Any:
    ((kind, text),) = value.items()
    return Decimal(text) if kind == "N" else text


def _sum(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {"N": str(Decimal(left["N"]) + Decimal(right["N"]))}


def _added(before: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    if "SS" in more:
        return {"SS": sorted({*more["SS"], *(before or {"SS": []})["SS"]})}
    return _sum(before or {"N": "0"}, more)


def _negative(value: dict[str, Any]) -> dict[str, Any]:
    return {"N": str(-Decimal(value["N"]))}
